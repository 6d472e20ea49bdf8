// Pictures to network input in one kernel; the format is in core/augment_record.h.
// Invariant: records and frames are checked on the host, where they came from, before the kernel follows
// them.
#include "core/augment_record.h"
#include "cuda/kernels.h"

namespace alexnet::cuda {
namespace {

void CheckRecords(CudaBackend& backend, const OpCall& call, int64_t views) {
  const Shape& images = call.inputs[0]->shape;
  const auto record_bytes = backend.HostBytes(*call.inputs[1]);
  const auto* const records = reinterpret_cast<const AugmentRecord*>(record_bytes->data());
  const int64_t count = call.inputs[1]->shape[0], crop = call.outputs[0]->shape[2];
  if (!call.inputs[4]) {
    for (int64_t i = 0; i < count; ++i) CheckRecord(records[i], i, {views, images[1], images[2], crop});
    return;
  }
  const auto frame_bytes = backend.HostBytes(*call.inputs[4]);
  const auto* const frames = reinterpret_cast<const AugmentFrame*>(frame_bytes->data());
  for (int64_t i = 0; i < call.inputs[4]->shape[0]; ++i) CheckFrame(frames[i], i, images[0]);
  for (int64_t i = 0; i < count; ++i) {
    const AugmentFrame& frame = frames[i / views];
    CheckRecord(records[i], i, {views, frame.height, frame.width, crop});
  }
}

}  // namespace

void Augment(CudaBackend& backend, OpCall& call) {
  const TensorPtr& frames = call.inputs[4];
  const Shape& images = call.inputs[0]->shape;
  const int64_t count = call.inputs[1]->shape[0], crop = call.outputs[0]->shape[2];
  const int64_t views = count / (frames ? frames->shape : images)[0];
  CheckRecords(backend, call, views);
  AugmentArguments arguments = {};
  arguments.records = Index(count);
  arguments.views = Index(views);
  arguments.height = frames ? 0 : Index(images[1]);
  arguments.width = frames ? 0 : Index(images[2]);
  arguments.crop = Index(crop);
  arguments.mean_image = call.inputs[2]->shape.size() == 3 ? 1 : 0;
  Index(call.outputs[0]->elements());
  Index(call.inputs[0]->elements());
  const Buffer pictures = Plain(backend, *call.inputs[0]), records = Plain(backend, *call.inputs[1]);
  const Buffer mean = Plain(backend, *call.inputs[2]), std = Plain(backend, *call.inputs[3]);
  const Buffer frame_buffer = frames ? Plain(backend, *frames) : Buffer{};
  FloatOutput y(backend, *call.outputs[0], Order::kChannelsLast);
  backend.gpu().Launch("augment", backend.gpu().Spread(count * crop * crop), pictures.data(), records.data(),
                       mean.data(), std.data(), frame_buffer.data(), y.data(), arguments);
  y.Finish();
}

}  // namespace alexnet::cuda
