//! Makes the JavaScript glue of a wasm module: the part of the `wasm-bindgen` command that the build needs.
//!
//! As a crate of the workspace its version is locked together with the `wasm-bindgen` that the module was compiled
//! with (the two must match exactly), and nobody has to install a command first.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use wasm_bindgen_cli_support::Bindgen;

const USAGE: &str = "usage: webspan-bindgen <input.wasm> <out-dir> --name <out-name> \
--target web|bundler|experimental-nodejs-module [--no-typescript]";

#[derive(Debug, PartialEq)]
struct Arguments {
    input_wasm: PathBuf,
    out_dir: PathBuf,
    out_name: String,
    target: Target,
    typescript: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Target {
    Web,
    Bundler,
    NodeModule,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("webspan-bindgen: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match generate(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("webspan-bindgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: impl IntoIterator<Item = String>) -> anyhow::Result<Arguments> {
    let mut arguments = arguments.into_iter();
    let mut paths = Vec::new();
    let mut out_name = None;
    let mut target = None;
    let mut typescript = true;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--name" => out_name = Some(value()?),
            "--target" => target = Some(target_named(&value()?)?),
            "--no-typescript" => typescript = false,
            option if option.starts_with('-') => bail!("unknown option {option}"),
            _ => paths.push(PathBuf::from(argument)),
        }
    }
    let Ok([input_wasm, out_dir]) = <[PathBuf; 2]>::try_from(paths) else {
        bail!("wanted two paths, <input.wasm> and <out-dir>");
    };
    Ok(Arguments {
        input_wasm,
        out_dir,
        out_name: out_name.context("--name is missing")?,
        target: target.context("--target is missing")?,
        typescript,
    })
}

fn target_named(name: &str) -> anyhow::Result<Target> {
    Ok(match name {
        "web" => Target::Web,
        "bundler" => Target::Bundler,
        "experimental-nodejs-module" => Target::NodeModule,
        other => bail!("unknown target {other}, wanted web, bundler or experimental-nodejs-module"),
    })
}

fn generate(arguments: &Arguments) -> anyhow::Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(&arguments.input_wasm)
        .out_name(&arguments.out_name)
        .typescript(arguments.typescript)
        .remove_name_section(true)
        .remove_producers_section(true);
    match arguments.target {
        Target::Web => bindgen.web(true)?,
        Target::Bundler => bindgen.bundler(true)?,
        Target::NodeModule => bindgen.nodejs_module(true)?,
    };
    bindgen.generate(&arguments.out_dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Arguments, String> {
        parse(line.split_whitespace().map(String::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn takes_options_in_any_order() {
        let wanted = Arguments {
            input_wasm: "in.wasm".into(),
            out_dir: "out".into(),
            out_name: "core".into(),
            target: Target::Web,
            typescript: false,
        };
        let after = parse_line("in.wasm out --name core --target web --no-typescript");
        let before = parse_line("--no-typescript --target web in.wasm --name core out");
        assert_eq!(after.as_ref(), Ok(&wanted));
        assert_eq!(before, after);
    }

    #[test]
    fn says_what_is_wrong_with_the_command_line() {
        let complaint = |line| parse_line(line).unwrap_err();
        assert_eq!(complaint("in.wasm --name core --target web"), "wanted two paths, <input.wasm> and <out-dir>");
        assert_eq!(complaint("a b c --name core --target web"), "wanted two paths, <input.wasm> and <out-dir>");
        assert_eq!(complaint("in.wasm out --target web"), "--name is missing");
        assert_eq!(complaint("in.wasm out --name core"), "--target is missing");
        assert_eq!(complaint("in.wasm out --name core --target"), "--target needs a value");
        assert_eq!(complaint("in.wasm out --typescript"), "unknown option --typescript");
        assert_eq!(
            complaint("in.wasm out --name core --target deno"),
            "unknown target deno, wanted web, bundler or experimental-nodejs-module"
        );
    }
}
