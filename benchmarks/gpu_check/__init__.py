"""Everything about the walker on a GPU that only a machine with one can show: `benchmarks/gpu_check.sh`."""
