"""Processors of models that see, without torchvision: pictures alone, made with Pillow and NumPy."""
