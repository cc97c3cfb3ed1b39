"""What tests share: a project to run Axolotl in, recorded masks, small tokenizers, a scripted model."""
