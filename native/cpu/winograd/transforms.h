// The matrices of Winograd's convolution for any filter, from the points that its polynomials are evaluated
// at.
// Invariant: for a tile d and a filter g, A^T [(G g) * (B d)] is their correlation (Lavin and Gray 2015;
// Toom-Cook).
#pragma once

#include "cpu/winograd/kernels.h"

namespace alexnet::cpu::winograd {

/** And infinity. Chosen for small rounding errors among those of a few bits. */
constexpr double kFinitePoints[kPoints - 1] = {0, 1, -1, .5, -2, -.5};

template <int kRows, int kColumns>
struct Matrix {
  float at[kRows][kColumns];

  constexpr Matrix<kColumns, kRows> Transposed() const {
    Matrix<kColumns, kRows> result{};
    for (int i = 0; i < kRows; ++i) {
      for (int j = 0; j < kColumns; ++j) result.at[j][i] = at[i][j];
    }
    return result;
  }
};

/** Rows are 1, p, p^2, ... of each point, times `scale` of it; that of infinity takes the highest power
 * alone. */
template <int kPowers>
constexpr Matrix<kPoints, kPowers> Evaluation(const double (&scale)[kPoints - 1]) {
  Matrix<kPoints, kPowers> result{};
  for (int i = 0; i < kPoints - 1; ++i) {
    double value = scale[i];
    for (int j = 0; j < kPowers; ++j, value *= kFinitePoints[i]) result.at[i][j] = static_cast<float>(value);
  }
  result.at[kPoints - 1][kPowers - 1] = 1;
  return result;
}

/** A: what makes outputs of products at the points. */
template <int kOutputs>
constexpr Matrix<kPoints, kOutputs> OutputMatrix() {
  return Evaluation<kOutputs>({1, 1, 1, 1, 1, 1});
}

/** G: what evaluates a filter, divided by the products of differences of Lagrange's interpolation. */
template <int kTaps>
constexpr Matrix<kPoints, kTaps> WeightMatrix() {
  double scale[kPoints - 1] = {};
  for (int i = 0; i < kPoints - 1; ++i) {
    double product = 1;
    for (int j = 0; j < kPoints - 1; ++j) {
      if (j != i) product *= kFinitePoints[i] - kFinitePoints[j];
    }
    scale[i] = 1 / product;
  }
  return Evaluation<kTaps>(scale);
}

/** B: rows are coefficients of the product of (x - p) over all finite points p but one; the last, over all.
 */
constexpr Matrix<kPoints, kPoints> InputMatrix() {
  Matrix<kPoints, kPoints> result{};
  for (int i = 0; i < kPoints; ++i) {
    double polynomial[kPoints] = {1};
    for (int j = 0; j < kPoints - 1; ++j) {
      if (j == i) continue;
      for (int power = kPoints - 1; power >= 0; --power) {
        polynomial[power] = (power > 0 ? polynomial[power - 1] : 0) - kFinitePoints[j] * polynomial[power];
      }
    }
    for (int j = 0; j < kPoints; ++j) result.at[i][j] = static_cast<float>(polynomial[j]);
  }
  return result;
}

}  // namespace alexnet::cpu::winograd
