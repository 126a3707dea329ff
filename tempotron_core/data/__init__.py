"""Data sets: embedded digits, torchvision's sets, normalisation of pictures."""
