# SPDX-License-Identifier: ISC
"""What the end-to-end tests are made of: Thurn itself, its peers, and the network between them."""
