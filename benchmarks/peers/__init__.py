"""What the platform is measured beside. Measuring is done by the parts."""
