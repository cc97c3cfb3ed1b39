"""Training rows that are made from models' own answers, or by a teacher: docs/augmentation.md."""
