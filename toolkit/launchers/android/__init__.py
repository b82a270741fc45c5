"""What the launcher `adb` needs of this machine."""
