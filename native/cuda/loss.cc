// Softmax, cross-entropy on logits, and what accuracies are made of.
// Invariant: labels are checked on the host, where they came from; losses are float32 whatever the logits
// are.
#include "cuda/descriptors.h"
#include "cuda/kernels.h"

namespace alexnet::cuda {
namespace {

/** x as rows of its last dimension. */
struct Rows {
  int64_t count, width;

  explicit Rows(const Shape& shape) : count(ElementCount(shape) / shape.back()), width(shape.back()) {
    Index(count * width);
  }
  /** For cuDNN: the classes are the channels of pictures of one pixel. */
  TensorDescriptor Descriptor(const Libraries& libraries, DType dtype) const {
    return {libraries, dtype, {count, width, 1, 1}, Order::kRowMajor};
  }
};

/** A block of threads for each row. */
Grid BlockPerRow(const Rows& rows) {
  Grid grid;
  grid.x = static_cast<unsigned>(rows.count);
  grid.threads = 32;
  while (grid.threads < 256 && grid.threads < rows.width) grid.threads *= 2;
  return grid;
}

void CheckLabels(CudaBackend& backend, const Tensor& tensor, const Rows& rows) {
  const auto bytes = backend.HostBytes(tensor);
  const auto* const labels = reinterpret_cast<const int32_t*>(bytes->data());
  for (int64_t i = 0; i < rows.count; ++i) {
    Check(labels[i] >= 0 && labels[i] < rows.width, "label ", labels[i], " at position ", i,
          " is not one of the ", rows.width, " classes (0 to ", rows.width - 1, ")");
  }
}

}  // namespace

void SoftmaxForward(CudaBackend& backend, OpCall& call) {
  const Libraries& libraries = backend.gpu().libraries();
  const Rows rows(call.inputs[0]->shape);
  const Buffer x = Plain(backend, *call.inputs[0]);
  const Buffer y = backend.CreatePlain(*call.outputs[0]);
  const TensorDescriptor elements = rows.Descriptor(libraries, call.inputs[0]->dtype);
  const Factors factors;
  ALEXNET_CUDNN_CALL(libraries, cudnnSoftmaxForward(backend.gpu().cudnn(), CUDNN_SOFTMAX_ACCURATE,
                                                    CUDNN_SOFTMAX_MODE_INSTANCE, &factors.one, elements.get(),
                                                    x.data(), &factors.zero, elements.get(), y.data()));
}

void SoftmaxBackward(CudaBackend& backend, OpCall& call) {
  const Libraries& libraries = backend.gpu().libraries();
  const Rows rows(call.inputs[0]->shape);
  const Buffer y = Plain(backend, *call.inputs[0]), dy = Plain(backend, *call.inputs[1]);
  const Buffer dx = backend.CreatePlain(*call.outputs[0]);
  const TensorDescriptor elements = rows.Descriptor(libraries, call.inputs[0]->dtype);
  const Factors factors;
  ALEXNET_CUDNN_CALL(
      libraries, cudnnSoftmaxBackward(backend.gpu().cudnn(), CUDNN_SOFTMAX_ACCURATE,
                                      CUDNN_SOFTMAX_MODE_INSTANCE, &factors.one, elements.get(), y.data(),
                                      elements.get(), dy.data(), &factors.zero, elements.get(), dx.data()));
}

void CrossEntropyForward(CudaBackend& backend, OpCall& call) {
  const Rows rows(call.inputs[0]->shape);
  CheckLabels(backend, *call.inputs[1], rows);
  const Buffer logits = Floats(backend, *call.inputs[0], Order::kRowMajor);
  const Buffer labels = Plain(backend, *call.inputs[1]);
  const Buffer losses = {Order::kRowMajor,
                         backend.Allocate(static_cast<size_t>(rows.count) * sizeof(double))};
  FloatOutput loss(backend, *call.outputs[0], Order::kRowMajor);
  FloatOutput probabilities(backend, *call.outputs[1], Order::kRowMajor);
  backend.gpu().Launch("cross_entropy_forward", BlockPerRow(rows), logits.data(), labels.data(),
                       probabilities.data(), losses.data(), Index(rows.count), Index(rows.width),
                       call.Number("smoothing"));
  backend.gpu().Launch("finish_sum", Grid{}, losses.data(), loss.data(), rows.count,
                       1.0 / static_cast<double>(rows.count));
  loss.Finish();
  probabilities.Finish();
}

void CrossEntropyBackward(CudaBackend& backend, OpCall& call) {
  const Rows rows(call.inputs[0]->shape);
  CheckLabels(backend, *call.inputs[1], rows);
  const Buffer probabilities = Floats(backend, *call.inputs[0], Order::kRowMajor);
  const Buffer labels = Plain(backend, *call.inputs[1]);
  FloatOutput dlogits(backend, *call.outputs[0], Order::kRowMajor);
  const float scale = 1.f / static_cast<float>(rows.count);
  const double smoothing = call.Number("smoothing");
  const auto hit = static_cast<float>((1 - smoothing) * scale),
             share = static_cast<float>(smoothing * scale / static_cast<double>(rows.width));
  backend.gpu().Launch("cross_entropy_backward", backend.gpu().Spread(rows.count * rows.width),
                       probabilities.data(), labels.data(), dlogits.data(), Index(rows.count),
                       Index(rows.width), scale, share, hit);
  dlogits.Finish();
}

// How many classes come before the true one: 0 is top-1 correct, below 5 is top-5 correct.
void LabelRank(CudaBackend& backend, OpCall& call) {
  const Rows rows(call.inputs[0]->shape);
  CheckLabels(backend, *call.inputs[1], rows);
  const Buffer logits = Floats(backend, *call.inputs[0], Order::kRowMajor);
  const Buffer labels = Plain(backend, *call.inputs[1]);
  backend.gpu().Launch("label_rank", BlockPerRow(rows), logits.data(), labels.data(),
                       backend.CreatePlain(*call.outputs[0]).data(), Index(rows.count), Index(rows.width));
}

void TopK(CudaBackend& backend, OpCall& call) {
  const Rows rows(call.inputs[0]->shape);
  const Buffer x = Floats(backend, *call.inputs[0], Order::kRowMajor);
  FloatOutput values(backend, *call.outputs[0], Order::kRowMajor);
  backend.gpu().Launch("top_k", BlockPerRow(rows), x.data(), values.data(),
                       backend.CreatePlain(*call.outputs[1]).data(), Index(rows.count), Index(rows.width),
                       Index(call.Integer("k")));
  values.Finish();
}

}  // namespace alexnet::cuda
