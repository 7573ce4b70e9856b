"""What is rendered or shipped, by target. Data; the only code here is what runs on machines."""
