"""What runs in the guests of guest.py: their tests are listed outside, but nothing of it is run there."""
