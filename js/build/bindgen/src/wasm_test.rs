//! The runner of the wasm tests, for `CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER`: the `wasm-bindgen-test-runner`
//! command as part of the workspace, for the same reasons as the glue maker beside it.

fn main() -> anyhow::Result<()> {
    wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(std::env::args_os())
}
