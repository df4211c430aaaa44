//! The event stream of libyaml, with exact byte spans: the only `unsafe` of the crate.
//!
//! The parser owns raw buffers; [`Parser`] frees them on every way out, and every event is copied
//! into owned values before it is deleted. Pointers come from libyaml only and are read only between
//! `yaml_parser_parse` and `yaml_event_delete`.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ops::Range;

use libyaml_rs as sys;
use zeroize::Zeroizing;

use crate::sops::tree::{Style, SyntaxError};

pub(super) struct Event {
    pub(super) span: Range<usize>,
    pub(super) anchor: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    DocumentStart { version: Option<(i32, i32)> },
    DocumentEnd,
    Alias(String),
    Scalar { value: Zeroizing<String>, style: Style },
    ListStart { flow: bool },
    MapStart { flow: bool },
    ListEnd,
    MapEnd,
}

struct Parser(Box<MaybeUninit<sys::yaml_parser_t>>);

impl Drop for Parser {
    fn drop(&mut self) {
        // SAFETY: `events` initialized it before it was wrapped here
        unsafe { sys::yaml_parser_delete(self.0.as_mut_ptr()) }
    }
}

/// Feeds every event of the text to `sink`, until the end or the first error of either side.
pub(super) fn events(
    source: &str,
    sink: &mut dyn FnMut(Event) -> Result<(), SyntaxError>,
) -> Result<(), SyntaxError> {
    let mut raw = Box::new(MaybeUninit::<sys::yaml_parser_t>::uninit());
    // SAFETY: the parser is initialized before any other use, is deleted by `Parser`, and reads
    // `source` only through pointers that stay valid for this whole function
    let mut parser = unsafe {
        if sys::yaml_parser_initialize(raw.as_mut_ptr()).fail {
            return Err(SyntaxError { line: 1, what: "out of memory".into() });
        }
        let mut parser = Parser(raw);
        sys::yaml_parser_set_encoding(parser.0.as_mut_ptr(), sys::YAML_UTF8_ENCODING);
        sys::yaml_parser_set_input_string(parser.0.as_mut_ptr(), source.as_ptr(), source.len() as u64);
        parser
    };
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

/// libyaml's problem texts are constants of its source: they never hold a part of the document.
unsafe fn problem(source: &str, parser: &sys::yaml_parser_t) -> SyntaxError {
    let text = if parser.problem.is_null() {
        "not YAML".to_owned()
    } else {
        // SAFETY: a non-null problem is a constant C string of libyaml
        unsafe { std::ffi::CStr::from_ptr(parser.problem.cast()) }.to_string_lossy().into_owned()
    };
    let text = if parser.context.is_null() {
        text
    } else {
        // SAFETY: a non-null context is a constant C string of libyaml
        let context = unsafe { std::ffi::CStr::from_ptr(parser.context.cast()) }.to_string_lossy();
        format!("{text}, {context} that begins on line {}", parser.context_mark.line + 1)
    };
    let offset = if parser.error == sys::YAML_READER_ERROR {
        parser.problem_offset
    } else {
        parser.problem_mark.index
    };
    SyntaxError::at(source, usize::try_from(offset).unwrap_or(source.len()), text)
}

unsafe fn owned(event: &sys::yaml_event_t) -> Option<Event> {
    // SAFETY: `type_` says which member of the union is set
    unsafe {
        let data = &event.data;
        let mut anchor = None;
        let mut tag = None;
        let kind = match event.type_ {
            sys::YAML_DOCUMENT_START_EVENT => {
                let version = data.document_start.version_directive;
                let version = (!version.is_null()).then(|| ((*version).major, (*version).minor));
                Kind::DocumentStart { version }
            }
            sys::YAML_DOCUMENT_END_EVENT => Kind::DocumentEnd,
            sys::YAML_ALIAS_EVENT => Kind::Alias(text(data.alias.anchor).unwrap_or_default()),
            sys::YAML_SCALAR_EVENT => {
                let scalar = &data.scalar;
                (anchor, tag) = (text(scalar.anchor), text(scalar.tag));
                let length = usize::try_from(scalar.length).unwrap_or(0);
                let bytes = std::slice::from_raw_parts(scalar.value, length);
                let value = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
                Kind::Scalar { value, style: style(scalar.style) }
            }
            sys::YAML_SEQUENCE_START_EVENT => {
                let list = &data.sequence_start;
                (anchor, tag) = (text(list.anchor), text(list.tag));
                Kind::ListStart { flow: list.style == sys::YAML_FLOW_SEQUENCE_STYLE }
            }
            sys::YAML_MAPPING_START_EVENT => {
                let map = &data.mapping_start;
                (anchor, tag) = (text(map.anchor), text(map.tag));
                Kind::MapStart { flow: map.style == sys::YAML_FLOW_MAPPING_STYLE }
            }
            sys::YAML_SEQUENCE_END_EVENT => Kind::ListEnd,
            sys::YAML_MAPPING_END_EVENT => Kind::MapEnd,
            _ => return None,
        };
        let offset = |mark: &sys::yaml_mark_t| usize::try_from(mark.index).unwrap_or(usize::MAX);
        let span = offset(&event.start_mark)..offset(&event.end_mark);
        Some(Event { span, anchor, tag, kind })
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
    (!pointer.is_null())
        .then(|| unsafe { std::ffi::CStr::from_ptr(pointer.cast()) }.to_string_lossy().into_owned())
}
