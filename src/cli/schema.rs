//! `outrider schema`: what queries and settings may say, for people and programs.

use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::print;
use crate::error::{Category, Error, Result, list_names};
use crate::schema;
use crate::schema::markdown::Tables;

/// Prints what a query or the settings of a data source may say, as JSON Schema or as a table.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Which schema.
    #[arg(value_enum, default_value_t = Which::Query)]
    which: Which,
    /// Print a table in Markdown instead: query, settings, outputs, sources, detectors, source.KIND, detector.KIND or
    /// settings.KIND.
    #[arg(long, value_name = "NAME")]
    markdown: Option<String>,
    /// Refresh what is made of the schemas in this folder of the repository: schema/, and the tables of README.md and docs/.
    #[arg(long, value_name = "FOLDER", conflicts_with = "markdown")]
    write: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    Query,
    Settings,
}

/// # Errors
/// [`Category::Query`] if there is no such table, [`Category::Config`] if a file cannot be read or written.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(root) = &arguments.write {
        let failed = |error: std::io::Error| {
            Error::new(Category::Config, format!("the files cannot be refreshed: {error}"))
                .hint("name the folder that holds README.md, docs/ and schema/")
        };
        for (path, text) in schema::files(root).map_err(failed)? {
            if fs::read_to_string(&path).ok().as_deref() != Some(text.as_str()) {
                fs::write(&path, text).map_err(failed)?;
                eprintln!("refreshed {}", path.display());
            }
        }
        return Ok(());
    }
    match &arguments.markdown {
        Some(name) => {
            let tables = Tables::new();
            let table = tables.get(name).ok_or_else(|| {
                Error::new(Category::Query, format!("there is no table \"{name}\""))
                    .hint(format!("choose one of {}", list_names(tables.names())))
            })?;
            print(table)
        }
        None => print(&schema::text(&match arguments.which {
            Which::Query => schema::query(),
            Which::Settings => schema::settings(),
        })),
    }
}
