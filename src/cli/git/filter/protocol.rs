//! git's long-running filter protocol, version 2 (gitattributes(5), gitprotocol-common(5)): packets
//! of at most 65,516 bytes behind four hex digits of length, lists that end with `0000`.

use std::io::{self, Read, Write};

const MAX_DATA: usize = 65_516;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FilterCommand {
    /// Into the object store.
    Clean,
    /// Out of it.
    Smudge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    AsItIs,
    Refused,
}

/// Answers until git closes the pipe. A file goes back as it came.
pub(super) fn serve(
    mut input: impl Read,
    mut output: impl Write,
    mut answer: impl FnMut(FilterCommand, &str, &[u8]) -> Answer,
) -> io::Result<()> {
    greet(&mut input, &mut output)?;
    while let Some(list) = read_list(&mut input)? {
        let value = |name: &str| {
            list.iter()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        };
        let command = match value("command") {
            Some("clean") => FilterCommand::Clean,
            Some("smudge") => FilterCommand::Smudge,
            _ => return Err(broken("an unknown command")),
        };
        let path = value("pathname").unwrap_or_default().to_owned();
        let content = read_content(&mut input)?;
        match answer(command, &path, &content) {
            Answer::AsItIs => {
                write_list(&mut output, &["status=success"])?;
                for part in content.chunks(MAX_DATA) {
                    write_packet(&mut output, part)?;
                }
                // the content ends, and the status stays
                output.write_all(b"00000000")?;
            }
            Answer::Refused => write_list(&mut output, &["status=error"])?,
        }
        output.flush()?;
    }
    Ok(())
}

fn greet(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let list = read_list(input)?.unwrap_or_default();
    if list.first().map(String::as_str) != Some("git-filter-client")
        || !list.iter().any(|line| line == "version=2")
    {
        return Err(broken("not git's filter protocol, version 2"));
    }
    write_list(output, &["git-filter-server", "version=2"])?;
    output.flush()?;
    read_list(input)?;
    write_list(output, &["capability=clean", "capability=smudge"])?;
    output.flush()
}

/// The lines up to `0000`; `None` when git has closed the pipe.
fn read_list(input: &mut impl Read) -> io::Result<Option<Vec<String>>> {
    let mut lines = Vec::new();
    loop {
        match read_packet(input)? {
            Packet::End if lines.is_empty() => return Ok(None),
            Packet::End => return Err(broken("the end of the input within a list")),
            Packet::Flush => return Ok(Some(lines)),
            // the name of a path may be no UTF-8, and no rule can name that one
            Packet::Data(data) => {
                let line = String::from_utf8_lossy(&data);
                lines.push(line.strip_suffix('\n').unwrap_or(&line).to_owned());
            }
        }
    }
}

fn read_content(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        match read_packet(input)? {
            Packet::End => return Err(broken("the end of the input within a file")),
            Packet::Flush => return Ok(content),
            Packet::Data(data) => content.extend(data),
        }
    }
}

enum Packet {
    Data(Vec<u8>),
    Flush,
    End,
}

fn read_packet(input: &mut impl Read) -> io::Result<Packet> {
    let mut head = [0; 4];
    if input.read(&mut head[..1])? == 0 {
        return Ok(Packet::End);
    }
    input.read_exact(&mut head[1..])?;
    let length = std::str::from_utf8(&head)
        .ok()
        .and_then(|hex| usize::from_str_radix(hex, 16).ok());
    match length {
        Some(0) => Ok(Packet::Flush),
        Some(length @ 4..) if length - 4 <= MAX_DATA => {
            let mut data = vec![0; length - 4];
            input.read_exact(&mut data)?;
            Ok(Packet::Data(data))
        }
        _ => Err(broken("a packet of an impossible length")),
    }
}

fn write_list(output: &mut impl Write, lines: &[&str]) -> io::Result<()> {
    for line in lines {
        write_packet(output, format!("{line}\n").as_bytes())?;
    }
    output.write_all(b"0000")
}

fn write_packet(output: &mut impl Write, data: &[u8]) -> io::Result<()> {
    write!(output, "{:04x}", data.len() + 4)?;
    output.write_all(data)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREETING: &str = "0016git-filter-client\n000eversion=2\n00000015capability=clean\n0016capability=smudge\n0015capability=delay\n0000";
    const WELCOME: &str = "0016git-filter-server\n000eversion=2\n00000015capability=clean\n0016capability=smudge\n0000";

    type Seen = (FilterCommand, String, Vec<u8>);

    fn talk(input: &str, answer: Answer) -> io::Result<(String, Vec<Seen>)> {
        let (mut output, mut seen) = (Vec::new(), Vec::new());
        serve(input.as_bytes(), &mut output, |command, path, bytes| {
            seen.push((command, path.to_owned(), bytes.to_vec()));
            answer
        })?;
        Ok((String::from_utf8(output).unwrap(), seen))
    }

    #[test]
    fn a_file_goes_back_as_it_came_or_not_at_all() {
        let input = format!(
            "{GREETING}0012command=clean\n0013pathname=a=b c\n00000007abc0005d00000013command=smudge\n000fpathname=x\n00000000"
        );
        let (output, seen) = talk(&input, Answer::AsItIs).unwrap();
        assert_eq!(
            output,
            format!(
                "{WELCOME}0013status=success\n00000008abcd000000000013status=success\n000000000000"
            )
        );
        let expected = [
            (FilterCommand::Clean, "a=b c".to_owned(), b"abcd".to_vec()),
            (FilterCommand::Smudge, "x".to_owned(), Vec::new()),
        ];
        assert_eq!(seen, expected);
        let (output, _) = talk(&input, Answer::Refused).unwrap();
        assert_eq!(
            output,
            format!("{WELCOME}0011status=error\n00000011status=error\n0000")
        );
    }

    #[test]
    fn large_files_are_cut_into_packets() {
        let mut input = GREETING.to_owned().into_bytes();
        input.extend(b"0012command=clean\n000fpathname=x\n0000");
        for _ in 0..3 {
            write_packet(&mut input, &[b'x'; MAX_DATA]).unwrap();
        }
        input.extend(b"0005y0000");
        let mut output = Vec::new();
        serve(&input[..], &mut output, |_, _, _| Answer::AsItIs).unwrap();
        let rest = &output[WELCOME.len() + "0013status=success\n0000".len()..];
        assert!(rest.starts_with(b"fff0xxx") && rest.ends_with(b"0005y00000000"));
        assert_eq!(rest.len(), 3 * (MAX_DATA + 4) + 5 + 8);
    }

    #[test]
    fn what_is_not_the_protocol_ends_with_an_error() {
        let table = [
            "",
            "hello",
            "0016git-filter-client\n000eversion=3\n0000",
            &format!("{GREETING}0010command=rm\n0000"),
            &format!("{GREETING}0012command=clean\n"),
            &format!("{GREETING}0012command=clean\n000fpathname=x\n0000fff1"),
            &format!("{GREETING}0003"),
            &format!("{GREETING}0012command=clean\n000fpathname=x\n00000007ab"),
        ];
        for input in table {
            assert!(talk(input, Answer::AsItIs).is_err(), "{input}");
        }
        assert!(talk(GREETING, Answer::AsItIs).is_ok());
    }
}
