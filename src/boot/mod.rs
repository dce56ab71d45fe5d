//! Boot: stages of modules, loaded from a file tree, run on the machine.
