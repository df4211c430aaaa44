use std::process::ExitCode;

fn main() -> ExitCode {
    stax::cli::main()
}
