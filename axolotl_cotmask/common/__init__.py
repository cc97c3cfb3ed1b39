"""What every room may use, and what knows of none: errors, files, resources, versions."""
