//! The simplex method of Nelder and Mead, "A Simplex Method for Function Minimization", The Computer Journal 7(4), 1965,
//! with their factors (reflect 1, expand 2, contract 1/2, shrink 1/2), within a box: a point beyond it is brought to its face.
//! Steps are of the unit cube, so that no parameter is walked in steps of another's size.

use super::search::Method;
use super::space::Space;

/// The first step along each axis, as a share of its range: our choice, a fifth, which sees past small ripples.
const FIRST: f64 = 0.2;
/// A simplex no longer than this along every axis has arrived: our choice, some 1 % of a range.
const SMALL: f64 = 0.01;

#[derive(Clone, Debug, PartialEq)]
struct Vertex {
    units: Vec<f64>,
    score: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    First,
    Reflect,
    Expand,
    Contract { outside: bool },
    Shrink,
    Arrived,
}

/// The method.
#[derive(Debug)]
pub struct Simplex {
    space: Space,
    vertices: Vec<Vertex>,
    stage: Stage,
    asked: Vec<Vec<f64>>,
    reflected: Option<Vertex>,
}

impl Simplex {
    /// From this point on.
    pub fn new(space: &Space, start: &[f64]) -> Simplex {
        let origin = space.units(start);
        let corner = |axis: usize| {
            let mut units = origin.clone();
            // Away from the face that is nearer.
            units[axis] += if units[axis] <= 0.5 { FIRST } else { -FIRST };
            units
        };
        let asked = std::iter::once(origin.clone()).chain((0..origin.len()).map(corner)).collect();
        Simplex { space: space.clone(), vertices: Vec::new(), stage: Stage::First, asked, reflected: None }
    }
    /// The mean of all vertices but the worst, and from it `factor` times the way that the worst lies away.
    fn towards(&self, factor: f64) -> Vec<f64> {
        let (worst, others) = self.vertices.split_last().expect("a simplex has vertices");
        (0..worst.units.len())
            .map(|axis| {
                let mean = others.iter().map(|vertex| vertex.units[axis]).sum::<f64>() / others.len() as f64;
                (mean + factor * (worst.units[axis] - mean)).clamp(0.0, 1.0)
            })
            .collect()
    }
    fn replace_worst(&mut self, vertex: Vertex) {
        self.vertices.pop();
        self.vertices.push(vertex);
        self.next();
    }
    /// Best first; an earlier vertex stands before a later one as good.
    fn next(&mut self) {
        self.vertices.sort_by(|a, b| a.score.total_cmp(&b.score));
        let axes = 0..self.space.dimensions();
        let spread = |axis: usize| {
            let units = self.vertices.iter().map(|vertex| vertex.units[axis]);
            let (low, high) =
                units.fold((1.0f64, 0.0f64), |(low, high), unit| (low.min(unit), high.max(unit)));
            high - low
        };
        self.stage =
            if axes.map(spread).all(|spread| spread <= SMALL) { Stage::Arrived } else { Stage::Reflect };
        self.asked = vec![self.towards(-1.0)];
    }
}

impl Method for Simplex {
    fn ask(&mut self) -> Vec<Vec<f64>> {
        if self.stage == Stage::Arrived {
            return Vec::new();
        }
        self.asked.iter().map(|units| self.space.point(units)).collect()
    }
    fn tell(&mut self, scores: &[f64]) {
        if scores.len() != self.asked.len() || scores.is_empty() {
            return;
        }
        let asked = std::mem::take(&mut self.asked);
        let mut told = asked.into_iter().zip(scores).map(|(units, &score)| Vertex { units, score });
        match self.stage {
            Stage::First => {
                self.vertices = told.collect();
                self.next();
            }
            Stage::Shrink => {
                self.vertices.truncate(1);
                self.vertices.extend(told);
                self.next();
            }
            Stage::Reflect => {
                let Some(reflected) = told.next() else { return };
                let count = self.vertices.len();
                let (best, worst) = (self.vertices[0].score, self.vertices[count - 1].score);
                // With one parameter the best is all there is beside the worst.
                let second = self.vertices[count.saturating_sub(2)].score;
                if reflected.score < best {
                    (self.stage, self.asked) = (Stage::Expand, vec![self.towards(-2.0)]);
                } else if reflected.score < second {
                    return self.replace_worst(reflected);
                } else {
                    let outside = reflected.score < worst;
                    self.stage = Stage::Contract { outside };
                    self.asked = vec![self.towards(if outside { -0.5 } else { 0.5 })];
                }
                self.reflected = Some(reflected);
            }
            Stage::Expand => {
                let (Some(expanded), Some(reflected)) = (told.next(), self.reflected.take()) else { return };
                let better = if expanded.score < reflected.score { expanded } else { reflected };
                self.replace_worst(better);
            }
            Stage::Contract { outside } => {
                let (Some(contracted), Some(reflected)) = (told.next(), self.reflected.take()) else {
                    return;
                };
                let worst = self.vertices[self.vertices.len() - 1].score;
                let bound = if outside { reflected.score } else { worst };
                if contracted.score < bound || (outside && contracted.score == bound) {
                    return self.replace_worst(contracted);
                }
                let best = self.vertices[0].units.clone();
                let half = |vertex: &Vertex| {
                    vertex.units.iter().zip(&best).map(|(unit, best)| f64::midpoint(*unit, *best)).collect()
                };
                self.asked = self.vertices[1..].iter().map(half).collect();
                self.stage = Stage::Shrink;
            }
            Stage::Arrived => {}
        }
    }
}
