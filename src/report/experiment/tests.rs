//! Folders of experiments, made up.
