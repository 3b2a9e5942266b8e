"""What a machine can do: targets, the microkernel interface, one file a kernel family."""
