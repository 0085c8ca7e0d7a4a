//! The `accord` program.

fn main() -> std::process::ExitCode {
    accord_node::cli::main()
}
