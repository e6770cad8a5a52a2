"""What learns: the shipped networks, temperatures, and vision-language models."""
