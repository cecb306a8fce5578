//! The `papyra` command.

fn main() -> std::process::ExitCode {
    papyra::cli::main()
}
