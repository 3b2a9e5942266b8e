"""What `lowbit-pack` rewrites by: which layout each value gets, im2col, and what is packed ahead."""
