//! The text formats of metrics, and content negotiation between them.
//!
//! Sources: the OpenMetrics specification 1.0.0; Prometheus's text-based format 0.0.4; `Accept` as of RFC 9110,
//! section 12.5.1.

/// A form of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetricsForm {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus 0.0.4, which every collector reads.
    Prometheus,
}

impl MetricsForm {
    /// The form that an `Accept` field asks for: OpenMetrics where it is named and weighs no less than plain text.
    #[must_use]
    pub(super) fn of(accept: &str) -> Self {
        let (mut open, mut plain) = (0.0_f32, 0.0_f32);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            let weight = weight.map_or(1.0, |q| q.parse().unwrap_or(0.0));
            if name.eq_ignore_ascii_case("application/openmetrics-text") {
                open = open.max(weight);
            } else if name.eq_ignore_ascii_case("text/plain") {
                plain = plain.max(weight);
            }
        }
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Its media type.
    #[must_use]
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// OpenMetrics text as Prometheus's: a counter's metadata has the name of its samples, with `_total`; units and the end
/// are not marked.
#[must_use]
pub(super) fn classic(open: &str) -> String {
    let mut out = String::with_capacity(open.len());
    // HELP comes before TYPE, which alone tells counters.
    let mut help: Option<(&str, &str)> = None;
    let mut put = |parts: &[&str]| {
        parts.iter().for_each(|part| out.push_str(part));
        out.push('\n');
    };
    for line in open.lines() {
        if let Some((name, text)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            help = Some((name, text));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, text)) = help.take().filter(|(of, _)| *of == name) {
                put(&["# HELP ", name, suffix, " ", text]);
            }
            put(&["# TYPE ", name, suffix, " ", kind]);
        } else if !line.starts_with('#') {
            put(&[line]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_that_which_is_asked_for() {
        for (accept, form) in [
            ("", MetricsForm::Prometheus),
            ("*/*", MetricsForm::Prometheus),
            ("text/plain", MetricsForm::Prometheus),
            ("application/openmetrics-text", MetricsForm::OpenMetrics),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
                MetricsForm::OpenMetrics,
            ),
            ("text/plain;q=0.9, application/openmetrics-text; q=0.1", MetricsForm::Prometheus),
            ("application/openmetrics-text;q=0", MetricsForm::Prometheus),
            ("application/openmetrics-text;q=x", MetricsForm::Prometheus),
        ] {
            assert_eq!(MetricsForm::of(accept), form, "{accept}");
        }
    }

    #[test]
    fn counters_are_named_as_their_samples() {
        let open = "# HELP a Help of a.\n# TYPE a counter\na_total{b=\"c\"} 1\n# HELP d_seconds Help.\n\
                    # TYPE d_seconds histogram\n# UNIT d_seconds seconds\nd_seconds_sum 0.5\n# EOF\n";
        let expected = "# HELP a_total Help of a.\n# TYPE a_total counter\na_total{b=\"c\"} 1\n\
                        # HELP d_seconds Help.\n# TYPE d_seconds histogram\nd_seconds_sum 0.5\n";
        assert_eq!(classic(open), expected);
    }
}
