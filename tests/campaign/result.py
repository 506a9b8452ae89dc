# SPDX-License-Identifier: ISC
"""What a campaign found, and how it is said: the same lines for all, so that figures can be compared and copied."""
import dataclasses


class Unavailable(Exception):
    """This machine lacks what the campaign needs; the text says what."""


@dataclasses.dataclass
class Result:
    points: int = 0        # places that were tried: cuts, faults, kills, inputs
    acknowledged: int = 0  # mails that got their 250, over all points
    lost: int = 0          # of those, not to be found afterwards
    doubled: int = 0       # of those, found more often than once where that is allowed
    control_lost: int | None = None  # what the same without syncs lost; None when there is no such control
    findings: list = dataclasses.field(default_factory=list)  # a line each: what is wrong, and where to look
    notes: list = dataclasses.field(default_factory=list)     # further figures, a line each

    def clean(self):
        return not self.lost and not self.findings and self.control_lost != 0 and self.points > 0

    def lines(self, name):
        yield from (f"note: {note}" for note in self.notes)
        yield from (f"FOUND: {finding}" for finding in self.findings)
        if self.control_lost == 0:
            yield "FOUND: the control run without syncs lost nothing, so this run proves nothing"
        if self.points == 0:
            yield "FOUND: nothing was tried"
        control = "no control" if self.control_lost is None else f"control lost {self.control_lost}"
        yield (f"campaign {name}: {self.points} points, {self.acknowledged} acknowledged, {self.lost} lost, "
               f"{self.doubled} doubled, {control}: {'clean' if self.clean() else 'FOUND SOMETHING'}")
