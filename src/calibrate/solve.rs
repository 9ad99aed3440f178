//! Robust least squares within bounds: Levenberg and Marquardt's method on unknowns between 0 and 1, residuals weighted
//! by the soft L1 loss, so that a few wild rows do not bend the whole. Knows numbers; must not know what they measure.
//! Own code because the problems are tiny (fourteen unknowns at most) and must give the same bits everywhere.

use rayon::prelude::*;

/// How to search.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The most steps.
    pub iterations: u32,
    /// The width of a finite difference, as a share of an unknown's bounds. Simulated rows need a wide one: their
    /// queues move in jumps.
    pub difference: f64,
    /// Residuals beyond this count less than their square.
    pub scale: f64,
}

/// Where the search ended.
#[derive(Clone, Debug)]
pub struct Solution {
    /// The unknowns, 0 to 1.
    pub x: Vec<f64>,
    /// Half the sum of losses.
    pub cost: f64,
    /// Weighted normal matrix at the end.
    pub normal: Vec<Vec<f64>>,
    /// Variance of a residual, left over.
    pub variance: f64,
}

fn cost(residuals: &[f64], scale: f64) -> f64 {
    let loss = |r: &f64| scale * scale * ((1.0 + (r / scale) * (r / scale)).sqrt() - 1.0);
    residuals.iter().map(loss).sum()
}

/// Searches from `start` for the unknowns that make `residuals` small. `residuals` gives the same number of finite values
/// at every point of the unit cube.
pub fn solve(residuals: &(impl Fn(&[f64]) -> Vec<f64> + Sync), start: &[f64], options: Options) -> Solution {
    let mut x = start.to_vec();
    let mut now = residuals(&x);
    let mut best = cost(&now, options.scale);
    let mut damping = 1e-3;
    let mut normal = Vec::new();
    for _ in 0..options.iterations {
        let columns = jacobian(residuals, &x, &now, options.difference);
        let (matrix, gradient) = weighted(&columns, &now, options.scale);
        normal = matrix;
        let mut moved = 0.0;
        for _ in 0..8 {
            let step = bounded_step(&normal, &gradient, &x, damping);
            let trial: Vec<f64> = x.iter().zip(&step).map(|(x, step)| (x + step).clamp(0.0, 1.0)).collect();
            let there = residuals(&trial);
            let value = cost(&there, options.scale);
            if value < best {
                moved = (best - value) / best.max(1e-300);
                (x, now, best) = (trial, there, value);
                damping = (damping * 0.2).max(1e-12);
                break;
            }
            damping = (damping * 5.0).min(1e9);
        }
        if moved < 1e-5 {
            break;
        }
    }
    let columns = jacobian(residuals, &x, &now, options.difference);
    let (matrix, _) = weighted(&columns, &now, options.scale);
    normal.clone_from(&matrix);
    let freedom = now.len().saturating_sub(x.len()).max(1) as f64;
    let weights = now.iter().map(|r| r * r * weight(*r, options.scale)).sum::<f64>();
    Solution { x, cost: best, normal, variance: weights / freedom }
}

fn weight(residual: f64, scale: f64) -> f64 {
    1.0 / (1.0 + (residual / scale) * (residual / scale)).sqrt()
}

/// Differences of the residuals along each unknown, away from the nearer bound.
fn jacobian(
    residuals: &(impl Fn(&[f64]) -> Vec<f64> + Sync),
    x: &[f64],
    now: &[f64],
    difference: f64,
) -> Vec<Vec<f64>> {
    (0..x.len())
        .into_par_iter()
        .map(|at| {
            let mut moved = x.to_vec();
            moved[at] += if x[at] > 0.5 { -difference } else { difference };
            let width = moved[at] - x[at];
            residuals(&moved).iter().zip(now).map(|(there, here)| (there - here) / width).collect()
        })
        .collect()
}

fn weighted(columns: &[Vec<f64>], now: &[f64], scale: f64) -> (Vec<Vec<f64>>, Vec<f64>) {
    let weights: Vec<f64> = now.iter().map(|&r| weight(r, scale)).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).zip(&weights).map(|((a, b), w)| a * b * w).sum::<f64>();
    let matrix = columns.iter().map(|a| columns.iter().map(|b| dot(a, b)).collect()).collect();
    (matrix, columns.iter().map(|a| dot(a, now)).collect())
}

/// The damped step; an unknown that stands on a bound and would leave it is held.
fn bounded_step(normal: &[Vec<f64>], gradient: &[f64], x: &[f64], damping: f64) -> Vec<f64> {
    let n = x.len();
    let mut held = vec![false; n];
    loop {
        let free: Vec<usize> = (0..n).filter(|&i| !held[i]).collect();
        let mut matrix: Vec<Vec<f64>> =
            free.iter().map(|&i| free.iter().map(|&j| normal[i][j]).collect()).collect();
        for (row, values) in matrix.iter_mut().enumerate() {
            values[row] += damping * values[row] + 1e-12;
        }
        let right: Vec<f64> = free.iter().map(|&i| -gradient[i]).collect();
        let solved = cholesky_solve(matrix, right);
        let mut step = vec![0.0; n];
        for (&i, value) in free.iter().zip(&solved) {
            step[i] = *value;
        }
        let leaving =
            free.iter().copied().find(|&i| (x[i] <= 0.0 && step[i] < 0.0) || (x[i] >= 1.0 && step[i] > 0.0));
        match leaving {
            Some(i) => held[i] = true,
            None => return step,
        }
    }
}

/// Solves `matrix · x = right` for a symmetric positive matrix; a pivot that is none is left out.
fn cholesky_solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| matrix[i][k] * matrix[j][k]).sum();
            let value = matrix[i][j] - sum;
            matrix[i][j] = if i == j {
                if value > 1e-300 { value.sqrt() } else { f64::INFINITY }
            } else {
                value / matrix[j][j]
            };
        }
    }
    for i in 0..n {
        let sum: f64 = (0..i).map(|k| matrix[i][k] * right[k]).sum();
        right[i] = (right[i] - sum) / matrix[i][i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| matrix[k][i] * right[k]).sum();
        right[i] = (right[i] - sum) / matrix[i][i];
    }
    right
}

/// Eigenvalues and eigenvectors (by row) of a symmetric matrix, by Jacobi's rotations.
pub fn eigen(matrix: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = matrix.len();
    let mut a = matrix.to_vec();
    let mut vectors: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..60 {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j] * a[i][j]).sum();
        if off < 1e-24 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q].abs() < 1e-300 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let t = if theta == 0.0 { 1.0 } else { t };
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for row in &mut a {
                    let (x, y) = (row[p], row[q]);
                    (row[p], row[q]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[p][k], a[q][k]);
                    (a[p][k], a[q][k]) = (c * x - s * y, s * x + c * y);
                    let (x, y) = (vectors[p][k], vectors[q][k]);
                    (vectors[p][k], vectors[q][k]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    ((0..n).map(|i| a[i][i]).collect(), vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options = Options { iterations: 50, difference: 1e-6, scale: 0.05 };

    #[test]
    fn a_curve_is_found_and_an_outlier_forgiven() {
        // y = 0.3 + 0.6 t, one point out of twenty wildly off: plain squares would move by a twentieth of it.
        let points: Vec<(f64, f64)> = (0..20)
            .map(|i| (f64::from(i) / 20.0, 0.3 + 0.6 * f64::from(i) / 20.0 + if i == 7 { 4.0 } else { 0.0 }))
            .collect();
        let residuals = |x: &[f64]| points.iter().map(|(t, y)| x[0] + x[1] * t - y).collect::<Vec<_>>();
        let found = solve(&residuals, &[0.5, 0.5], OPTIONS).x;
        assert!((found[0] - 0.3).abs() < 0.01 && (found[1] - 0.6).abs() < 0.02, "{found:?}");
    }

    #[test]
    fn bounds_hold() {
        // The least squares lie at (2, 0.25): the first unknown stops at its bound, the second is found all the same.
        let residuals = |x: &[f64]| vec![x[0] - 2.0, 3.0 * (x[1] - 0.25)];
        let found = solve(&residuals, &[0.5, 0.9], Options { scale: 100.0, ..OPTIONS }).x;
        assert_eq!(found[0], 1.0);
        assert!((found[1] - 0.25).abs() < 1e-4, "{found:?}");
    }

    #[test]
    fn eigenvalues_by_hand() {
        // (2 1; 1 2) has 1 along (1, -1) and 3 along (1, 1).
        let (mut values, vectors) = eigen(&[vec![2.0, 1.0], vec![1.0, 2.0]]);
        for (value, vector) in values.iter().zip(&vectors) {
            let product = [2.0 * vector[0] + vector[1], vector[0] + 2.0 * vector[1]];
            assert!((product[0] - value * vector[0]).abs() < 1e-12, "{value} {vector:?}");
            assert!((product[1] - value * vector[1]).abs() < 1e-12, "{value} {vector:?}");
        }
        values.sort_by(f64::total_cmp);
        assert!((values[0] - 1.0).abs() < 1e-12 && (values[1] - 3.0).abs() < 1e-12, "{values:?}");
    }
}
