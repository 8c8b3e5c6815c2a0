//! Whether an option takes a value, asked before the value stands among the arguments: there nobody knows its line any more.

use std::error::Error as _;

use clap::{
    Arg, Command,
    error::{ContextKind, ContextValue},
};

/// Why the option does not take one of these values.
pub(super) fn refused(option: &Arg, values: &[String]) -> Option<String> {
    const NAME: &str = "value";
    // Alone, without what it requires and excludes: that is judged where all arguments are.
    let mut alone = Arg::new(NAME)
        .long(NAME)
        .action(option.get_action().clone())
        .value_parser(option.get_value_parser().clone())
        .ignore_case(option.is_ignore_case_set());
    if let Some(delimiter) = option.get_value_delimiter() {
        alone = alone.value_delimiter(delimiter);
    }
    let arguments = values.iter().map(|value| format!("--{NAME}={value}"));
    let error =
        Command::new("strata").no_binary_name(true).arg(alone).try_get_matches_from(arguments).err()?;
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value.as_str(),
        _ => values.first().map(String::as_str).unwrap_or_default(),
    };
    Some(match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(reason), _) => format!("does not take `{value}`: {reason}"),
        (None, Some(ContextValue::Strings(known))) => {
            format!("does not take `{value}`, but one of {}", known.join(", "))
        }
        _ => format!("does not take `{value}`"),
    })
}
