"""The reduction of one register block, cut by what each part knows; `microkernels.block` joins them."""
