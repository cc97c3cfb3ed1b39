"""What Axolotl calls: the plugin, its checks, the preparation of data, the trainer."""
