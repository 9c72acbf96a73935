//! rclone
