//! Axis-parallel trees: each split compares one feature with one number.
//!
//! A number's place among all splits tells on which side of each of them it lies, exactly. So every value is looked up
//! once in a sorted table, as in one dimension, and the trees compare places: 16-bit integers, many to a register.

use super::grow::split_between;
use super::index::Index;
use super::kernel::{self, Kernel};
use super::order::Sorter;
use super::random::Random;
use super::rows::{BLOCK, Rows};
use super::tree::{Cut, partition};
use crate::cancel::checkpoint;

/// A row goes right if `row[feature] >= at`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Split {
    pub(super) feature: u32,
    pub(super) at: f64,
}

/// The mark of a node without a split.
pub(super) const NO_SPLIT: Split = Split { feature: 0, at: f64::INFINITY };

/// Writes the splits of one tree.
#[derive(Debug)]
pub(super) struct AxisCut<'a> {
    pub(super) width: usize,
    pub(super) splits: &'a mut [Split],
}

impl Cut for AxisCut<'_> {
    fn cut(
        &mut self,
        node: usize,
        sample: &[f64],
        members: &mut [u32],
        features: &mut [u32],
        active: &mut usize,
        random: &mut Random,
    ) -> Option<usize> {
        while *active > 0 {
            let pick = random.below(*active);
            let feature = features[pick];
            let value = |member: u32| sample[member as usize * self.width + feature as usize];
            let (low, high) = members.iter().map(|member| value(*member)).fold(
                (f64::INFINITY, f64::NEG_INFINITY),
                |(low, high), value| {
                    (if value < low { value } else { low }, if value > high { value } else { high })
                },
            );
            if low < high {
                let at = split_between(low, high, random);
                self.splits[node] = Split { feature, at };
                return Some(partition(members, |member| value(member) < at));
            }
            *active -= 1;
            features.swap(pick, *active);
        }
        None
    }
}

/// Places fit 15 bits, so that the difference of two fits 16 with its sign.
const MOST_PLACES: usize = (1 << 15) - 1;

/// The splits of all trees, as places.
///
/// Each tree has 2^height entries: node i of the heap stands at i + 1, the first entry is free. Below a leaf any entry
/// will do, since all leads to the same path length.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AxisTrees {
    height: usize,
    /// A row goes right if the place of its feature is above this.
    places: Vec<u16>,
    features: Vec<u32>,
    groups: Vec<Group>,
    /// Trees of each group but the last.
    trees_per_group: usize,
}

/// Trees that share tables, few enough for 16-bit places.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    /// One for each feature, or one for all.
    tables: Vec<Table>,
}

#[derive(Debug, Clone, PartialEq)]
struct Table {
    /// Ascending.
    breakpoints: Vec<f64>,
    index: Index,
}

/// Memory that blocks use in turn.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// One feature after the other, or the run of all windows.
    places: Vec<u16>,
    /// The same row by row, for kernels.
    rows: Vec<u16>,
    values: Vec<f64>,
}

impl AxisTrees {
    /// `splits` are those of all trees, 2^height − 1 each and at most `sample_size` − 1 of them splits. `one_table` is
    /// for rows that overlap.
    pub(super) fn new(
        splits: &[Split],
        height: usize,
        width: usize,
        sample_size: usize,
        one_table: bool,
    ) -> Self {
        let nodes = (1 << height) - 1;
        let count = splits.len() / nodes;
        let mut places = vec![0; count << height];
        let mut features = vec![0; count << height];
        let trees_per_group = (MOST_PLACES / (sample_size - 1)).max(1);
        let mut sorter = Sorter::new();
        let mut marks: Vec<Vec<(f64, u32)>> = vec![Vec::new(); if one_table { 1 } else { width }];
        let mut groups = Vec::new();
        for (group, splits) in splits.chunks(trees_per_group * nodes).enumerate() {
            marks.iter_mut().for_each(Vec::clear);
            let first_tree = group * trees_per_group;
            for (tree, splits) in splits.chunks(nodes).enumerate() {
                for (node, split) in splits.iter().enumerate().filter(|(_, split)| **split != NO_SPLIT) {
                    let entry = ((first_tree + tree) << height) + node + 1;
                    features[entry] = split.feature;
                    let table = if one_table { 0 } else { split.feature as usize };
                    marks[table].push((split.at, entry as u32));
                }
            }
            let tables = marks.iter_mut().map(|marks| {
                sorter.sort(marks, |mark| mark.0);
                let mut breakpoints = Vec::with_capacity(marks.len());
                for together in marks.chunk_by(|a, b| a.0 == b.0) {
                    for (_, entry) in together {
                        places[*entry as usize] = breakpoints.len() as u16;
                    }
                    breakpoints.push(together[0].0);
                }
                let index = Index::new(&breakpoints);
                Table { breakpoints, index }
            });
            groups.push(Group { tables: tables.collect() });
        }
        Self { height, places, features, groups, trees_per_group }
    }

    /// The feature and the number of a node that has a split.
    pub(super) fn split(&self, tree: usize, node: usize) -> Split {
        let entry = (tree << self.height) + node + 1;
        let feature = self.features[entry];
        let tables = &self.groups[tree / self.trees_per_group].tables;
        let table = &tables[if tables.len() == 1 { 0 } else { feature as usize }];
        Split { feature, at: table.breakpoints[self.places[entry] as usize] }
    }

    /// Adds to `sums`, at most [`BLOCK`], the path lengths of the rows from `first` on; those of rows that are not
    /// finite mean nothing.
    pub(super) fn add_path_lengths(
        &self,
        leaves: &[i64],
        rows: &Rows<'_>,
        first: usize,
        sums: &mut [i64],
        scratch: &mut Scratch,
        kernel: Kernel,
    ) {
        let here = first..first + sums.len();
        let entries = 1 << self.height;
        for (group, Group { tables }) in self.groups.iter().enumerate() {
            checkpoint();
            let Scratch { places, rows: by_row, values } = &mut *scratch;
            places.clear();
            let mut look_up = |table: &Table, values: &[f64]| {
                table.index.places(&table.breakpoints, values, |_, place| places.push(place as u16));
            };
            // The place of feature f of row i is at i + f · stride.
            let stride = match (rows.window_run(here.clone()), &tables[..]) {
                (Some(run), [table]) => {
                    look_up(table, run);
                    1
                }
                _ => {
                    for (feature, table) in (0..rows.width()).zip(tables.iter().cycle()) {
                        look_up(table, rows.feature(feature, here.clone(), values));
                    }
                    sums.len()
                }
            };
            places.resize(places.len() + kernel::PADDING, 0);
            let start = group * self.trees_per_group * entries;
            let end = self.places.len().min(start + self.trees_per_group * entries);
            let trees = self.places[start..end]
                .chunks_exact(entries)
                .zip(self.features[start..end].chunks_exact(entries))
                .zip(leaves[start..end].chunks_exact(entries))
                .map(|((splits, features), leaves)| Tree { splits, features, leaves });
            if let Some(row_stride) = kernel.axis_row_stride(self.height, rows.width(), stride) {
                let places = if stride == 1 {
                    places
                } else {
                    by_row.clear();
                    by_row.resize(sums.len() * row_stride + kernel::PADDING * row_stride, 0);
                    for (feature, column) in places.chunks_exact(stride).take(rows.width()).enumerate() {
                        for (row, place) in by_row.chunks_exact_mut(row_stride).zip(column) {
                            row[feature] = *place;
                        }
                    }
                    by_row
                };
                trees.for_each(|tree| kernel.axis(&tree, places, row_stride, sums));
            } else if self.height == 8 {
                trees.for_each(|tree| tree.walk::<8, 256>(places, stride, sums));
            } else {
                trees.for_each(|tree| tree.walk_any(self.height, places, stride, sums));
            }
        }
    }
}

/// One tree: 2^height entries each, as in [`AxisTrees`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Tree<'a> {
    pub(super) splits: &'a [u16],
    pub(super) features: &'a [u32],
    pub(super) leaves: &'a [i64],
}

/// Levels that are evaluated for all rows at once, without looking anything up by node.
const DENSE: usize = 4;

/// Rows to a loop without branches.
const LANES: usize = 32;

impl Tree<'_> {
    /// Adds the path length of each row to its sum: for a tree of `HEIGHT`, with `ENTRIES` = 2^`HEIGHT`.
    fn walk<const HEIGHT: usize, const ENTRIES: usize>(
        &self,
        places: &[u16],
        stride: usize,
        sums: &mut [i64],
    ) {
        let (Some(splits), Some(features), Some(leaves)) = (
            self.splits.first_chunk::<ENTRIES>(),
            self.features.first_chunk::<ENTRIES>(),
            self.leaves.first_chunk::<ENTRIES>(),
        ) else {
            return;
        };
        let offsets: [u32; ENTRIES] = features.map(|feature| feature * stride as u32);
        let mut entries = [[0_u16; LANES]; BLOCK / LANES];
        for (chunk, entries) in entries[..sums.len().div_ceil(LANES)].iter_mut().enumerate() {
            // All ones for right, all zeros for left: what vector registers compare to.
            let right: [[u16; LANES]; 1 << DENSE] = std::array::from_fn(|entry| {
                let from = chunk * LANES + offsets[entry] as usize;
                match places[from..].first_chunk::<LANES>() {
                    Some(places) if entry > 0 => {
                        places.map(|place| if place > splits[entry] { u16::MAX } else { 0 })
                    }
                    _ => [0; LANES],
                }
            });
            for (lane, entry) in entries.iter_mut().enumerate() {
                let choose = |by: u16, one: u16, other: u16| (by & one) | (!by & other);
                let right = |entry: usize| right[entry][lane];
                let first = right(1);
                let second = choose(first, right(3), right(2));
                let third =
                    choose(first, choose(second, right(7), right(6)), choose(second, right(5), right(4)));
                let fourth = |entry: usize| {
                    let right_half = choose(third, right(entry + 3), right(entry + 2));
                    choose(second, right_half, choose(third, right(entry + 1), right(entry)))
                };
                let fourth = choose(first, fourth(12), fourth(8));
                *entry = 16 + (8 & first) + (4 & second) + (2 & third) + (1 & fourth);
            }
        }
        for (row, (entry, sum)) in entries.as_flattened().iter().zip(sums).enumerate() {
            let mut entry = *entry as usize;
            for _ in DENSE..HEIGHT {
                let here = entry % ENTRIES;
                let place = places[row + offsets[here] as usize];
                entry = 2 * entry + usize::from(place > splits[here]);
            }
            *sum += leaves[entry % ENTRIES];
        }
    }

    /// [`Self::walk`] for any height.
    fn walk_any(&self, height: usize, places: &[u16], stride: usize, sums: &mut [i64]) {
        for (row, sum) in sums.iter_mut().enumerate() {
            let mut entry = 1;
            for _ in 0..height {
                let place = places[row + self.features[entry] as usize * stride];
                entry = 2 * entry + usize::from(place > self.splits[entry]);
            }
            *sum += self.leaves[entry - (1 << height)];
        }
    }
}
