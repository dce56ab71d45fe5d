//! The PXI machine: pixels that run.
