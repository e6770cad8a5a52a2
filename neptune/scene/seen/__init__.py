"""What is seen in a picture besides boxes: masks, depths, words. Only numpy is imported here."""
