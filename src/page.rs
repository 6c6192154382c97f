//! The frame of every page that Halsted writes: one file that asks for nothing from elsewhere, and one look.

use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("page.css");

/// The whole page around `body`; `further_style` is CSS for this page alone.
pub fn page(title: &str, further_style: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(further_style)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}
