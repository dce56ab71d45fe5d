//! The `pxfs` binary: one call into the library, which chooses the tool by argv\[0\].

fn main() -> std::process::ExitCode {
    pxfs::cli::main()
}
