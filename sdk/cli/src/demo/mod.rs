//! The demo: one picture, sixty strangers' tasks, every unit accounted for.

mod books;
mod gas;
mod record;
mod stitch;
mod timeline;
