//! Reads frames from stdin until it ends: a line of JSON, `{"contentType":"application/x-protobuf","length":123}`, and
//! that many bytes. Answers each with a line on stdout: `{"ok":true,"violations":[],"spans":[...]}`; with violations
//! `ok` is false, and `spans` has what could be decoded all the same.

use std::io::{self, BufRead, Read, Write};

use serde::Deserialize;
use serde_json::json;
use strict_receiver::judge;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Header {
    content_type: String,
    length: usize,
}

fn main() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        let header: Header = serde_json::from_str(&line)?;
        let mut body = vec![0; header.length];
        input.read_exact(&mut body)?;

        let verdict = judge(&header.content_type, &body);
        let violations: Vec<String> = verdict.violations.iter().map(ToString::to_string).collect();
        let answer = json!({ "ok": violations.is_empty(), "violations": violations, "spans": verdict.spans() });
        writeln!(output, "{answer}")?;
        output.flush()?;
        line.clear();
    }
    Ok(())
}
