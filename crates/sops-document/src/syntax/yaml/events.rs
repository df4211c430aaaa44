//! The event and token streams of libyaml, with exact byte spans: the only `unsafe` of the crate
//! but for two switches of libgit2.
//!
//! The parser owns raw buffers; [`Parser`] frees them on every way out, and every event and token
//! is copied into owned values before it is deleted. Pointers come from libyaml only and are read
//! only between the call that hands one out and the call that deletes it.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ops::Range;

use libyaml_rs as sys;
use zeroize::Zeroizing;

use crate::tree::{Style, SyntaxError};

pub(super) struct YamlEvent {
    pub(super) span: Range<usize>,
    pub(super) anchor: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) kind: EventKind,
}

pub(super) enum EventKind {
    DocumentStart {
        version: Option<(i32, i32)>,
    },
    DocumentEnd,
    Alias(String),
    Scalar {
        value: Zeroizing<String>,
        style: Style,
    },
    ListStart {
        flow: bool,
    },
    MapStart {
        flow: bool,
    },
    ListEnd,
    MapEnd,
}

/// What the scanner sees, of which comments need the kind and the place.
pub(super) struct YamlToken {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Characters from the start of the line, from 0.
    pub(super) column: usize,
}

/// Without the names of anchors and aliases, which stand in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    DocumentStart,
    DocumentEnd,
    /// `%YAML` or `%TAG`
    Directive,
    BlockListStart,
    BlockMapStart,
    BlockEnd,
    FlowListStart,
    FlowListEnd,
    FlowMapStart,
    FlowMapEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias,
    Anchor,
    Tag,
    Scalar(Style),
    /// The start or the end of the text.
    Stream,
}

struct Parser(Box<MaybeUninit<sys::yaml_parser_t>>);

impl Parser {
    /// A parser that reads `source`, which must outlive it: both callers keep it for their whole
    /// body.
    fn over(source: &str) -> Result<Self, SyntaxError> {
        let mut raw = Box::new(MaybeUninit::<sys::yaml_parser_t>::uninit());
        // SAFETY: the parser is initialized before any other use and deleted by `Drop`
        unsafe {
            if sys::yaml_parser_initialize(raw.as_mut_ptr()).fail {
                return Err(SyntaxError {
                    line: 1,
                    what: "out of memory".into(),
                });
            }
            let mut parser = Self(raw);
            sys::yaml_parser_set_encoding(parser.0.as_mut_ptr(), sys::YAML_UTF8_ENCODING);
            sys::yaml_parser_set_input_string(
                parser.0.as_mut_ptr(),
                source.as_ptr(),
                source.len() as u64,
            );
            Ok(parser)
        }
    }
}

impl Drop for Parser {
    fn drop(&mut self) {
        // SAFETY: `over` initialized it before it was wrapped here
        unsafe { sys::yaml_parser_delete(self.0.as_mut_ptr()) }
    }
}

/// Feeds every event of the text to `sink`, until the end or the first error of either side.
pub(super) fn events(
    source: &str,
    sink: &mut dyn FnMut(YamlEvent) -> Result<(), SyntaxError>,
) -> Result<(), SyntaxError> {
    let mut parser = Parser::over(source)?;
    loop {
        let mut event = MaybeUninit::<sys::yaml_event_t>::uninit();
        // SAFETY: the event is read only after success, and deleted exactly once
        let next = unsafe {
            if sys::yaml_parser_parse(parser.0.as_mut_ptr(), event.as_mut_ptr()).fail {
                return Err(problem(source, &*parser.0.as_ptr()));
            }
            let mut event = event.assume_init();
            let done = event.type_ == sys::YAML_STREAM_END_EVENT;
            let next = owned(&event);
            sys::yaml_event_delete(&raw mut event);
            if done {
                return Ok(());
            }
            next
        };
        if let Some(next) = next {
            sink(next)?;
        }
    }
}

/// Every token of the text, in order; the start and the end of the text are tokens too.
pub(super) fn tokens(source: &str) -> Result<Vec<YamlToken>, SyntaxError> {
    let mut parser = Parser::over(source)?;
    let mut tokens = Vec::new();
    loop {
        let mut token = MaybeUninit::<sys::yaml_token_t>::uninit();
        // SAFETY: the token is read only after success, and deleted exactly once
        unsafe {
            if sys::yaml_parser_scan(parser.0.as_mut_ptr(), token.as_mut_ptr()).fail {
                return Err(problem(source, &*parser.0.as_ptr()));
            }
            let mut token = token.assume_init();
            let done = token.type_ == sys::YAML_STREAM_END_TOKEN;
            tokens.push(owned_token(&token));
            sys::yaml_token_delete(&raw mut token);
            if done {
                return Ok(tokens);
            }
        }
    }
}

unsafe fn owned_token(token: &sys::yaml_token_t) -> YamlToken {
    // SAFETY: `type_` says which member of the union is set
    let kind = unsafe {
        match token.type_ {
            sys::YAML_VERSION_DIRECTIVE_TOKEN | sys::YAML_TAG_DIRECTIVE_TOKEN => {
                TokenKind::Directive
            }
            sys::YAML_DOCUMENT_START_TOKEN => TokenKind::DocumentStart,
            sys::YAML_DOCUMENT_END_TOKEN => TokenKind::DocumentEnd,
            sys::YAML_BLOCK_SEQUENCE_START_TOKEN => TokenKind::BlockListStart,
            sys::YAML_BLOCK_MAPPING_START_TOKEN => TokenKind::BlockMapStart,
            sys::YAML_BLOCK_END_TOKEN => TokenKind::BlockEnd,
            sys::YAML_FLOW_SEQUENCE_START_TOKEN => TokenKind::FlowListStart,
            sys::YAML_FLOW_SEQUENCE_END_TOKEN => TokenKind::FlowListEnd,
            sys::YAML_FLOW_MAPPING_START_TOKEN => TokenKind::FlowMapStart,
            sys::YAML_FLOW_MAPPING_END_TOKEN => TokenKind::FlowMapEnd,
            sys::YAML_BLOCK_ENTRY_TOKEN => TokenKind::BlockEntry,
            sys::YAML_FLOW_ENTRY_TOKEN => TokenKind::FlowEntry,
            sys::YAML_KEY_TOKEN => TokenKind::Key,
            sys::YAML_VALUE_TOKEN => TokenKind::Value,
            sys::YAML_ALIAS_TOKEN => TokenKind::Alias,
            sys::YAML_ANCHOR_TOKEN => TokenKind::Anchor,
            sys::YAML_TAG_TOKEN => TokenKind::Tag,
            sys::YAML_SCALAR_TOKEN => TokenKind::Scalar(style(token.data.scalar.style)),
            _ => TokenKind::Stream,
        }
    };
    let offset = |index: u64| usize::try_from(index).unwrap_or(usize::MAX);
    YamlToken {
        kind,
        start: offset(token.start_mark.index),
        end: offset(token.end_mark.index),
        column: offset(token.start_mark.column),
    }
}

/// libyaml's problem texts are constants of its source: they never hold a part of the document.
unsafe fn problem(source: &str, parser: &sys::yaml_parser_t) -> SyntaxError {
    let text = if parser.problem.is_null() {
        "not YAML".to_owned()
    } else {
        // SAFETY: a non-null problem is a constant C string of libyaml
        unsafe { std::ffi::CStr::from_ptr(parser.problem.cast()) }
            .to_string_lossy()
            .into_owned()
    };
    let text = if parser.context.is_null() {
        text
    } else {
        // SAFETY: a non-null context is a constant C string of libyaml
        let context = unsafe { std::ffi::CStr::from_ptr(parser.context.cast()) }.to_string_lossy();
        format!(
            "{text}, {context} that begins on line {}",
            parser.context_mark.line + 1
        )
    };
    let offset = if parser.error == sys::YAML_READER_ERROR {
        parser.problem_offset
    } else {
        parser.problem_mark.index
    };
    SyntaxError::at(
        source,
        usize::try_from(offset).unwrap_or(source.len()),
        text,
    )
}

unsafe fn owned(event: &sys::yaml_event_t) -> Option<YamlEvent> {
    // SAFETY: `type_` says which member of the union is set
    unsafe {
        let data = &event.data;
        let mut anchor = None;
        let mut tag = None;
        let kind = match event.type_ {
            sys::YAML_DOCUMENT_START_EVENT => {
                let version = data.document_start.version_directive;
                let version = (!version.is_null()).then(|| ((*version).major, (*version).minor));
                EventKind::DocumentStart { version }
            }
            sys::YAML_DOCUMENT_END_EVENT => EventKind::DocumentEnd,
            sys::YAML_ALIAS_EVENT => EventKind::Alias(text(data.alias.anchor).unwrap_or_default()),
            sys::YAML_SCALAR_EVENT => {
                let scalar = &data.scalar;
                (anchor, tag) = (text(scalar.anchor), text(scalar.tag));
                let length = usize::try_from(scalar.length).unwrap_or(0);
                let bytes = std::slice::from_raw_parts(scalar.value, length);
                let value = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
                EventKind::Scalar {
                    value,
                    style: style(scalar.style),
                }
            }
            sys::YAML_SEQUENCE_START_EVENT => {
                let list = &data.sequence_start;
                (anchor, tag) = (text(list.anchor), text(list.tag));
                EventKind::ListStart {
                    flow: list.style == sys::YAML_FLOW_SEQUENCE_STYLE,
                }
            }
            sys::YAML_MAPPING_START_EVENT => {
                let map = &data.mapping_start;
                (anchor, tag) = (text(map.anchor), text(map.tag));
                EventKind::MapStart {
                    flow: map.style == sys::YAML_FLOW_MAPPING_STYLE,
                }
            }
            sys::YAML_SEQUENCE_END_EVENT => EventKind::ListEnd,
            sys::YAML_MAPPING_END_EVENT => EventKind::MapEnd,
            _ => return None,
        };
        let offset = |mark: &sys::yaml_mark_t| usize::try_from(mark.index).unwrap_or(usize::MAX);
        let span = offset(&event.start_mark)..offset(&event.end_mark);
        Some(YamlEvent {
            span,
            anchor,
            tag,
            kind,
        })
    }
}

fn style(style: sys::yaml_scalar_style_t) -> Style {
    match style {
        sys::YAML_SINGLE_QUOTED_SCALAR_STYLE => Style::Single,
        sys::YAML_DOUBLE_QUOTED_SCALAR_STYLE => Style::Double,
        sys::YAML_LITERAL_SCALAR_STYLE | sys::YAML_FOLDED_SCALAR_STYLE => Style::Block,
        _ => Style::Plain,
    }
}

unsafe fn text(pointer: *const u8) -> Option<String> {
    // SAFETY: libyaml hands out null or a NUL-terminated string that lives as long as the event
    (!pointer.is_null()).then(|| {
        unsafe { std::ffi::CStr::from_ptr(pointer.cast()) }
            .to_string_lossy()
            .into_owned()
    })
}
