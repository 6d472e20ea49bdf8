// A bare chain of oneDNN primitives that does the arithmetic of one float32 training step of AlexNet: what the
// package is held against. No dropout, no loss, no data, no JavaScript; weights are updated by plain SGD loops.
// Invariant: every primitive gets the layouts it asks for, so no reorder of activations is in the measured time.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dnnl.hpp>
#include <functional>
#include <unordered_map>
#include <vector>

namespace {

using dnnl::algorithm;
using dnnl::memory;
using Dims = memory::dims;

constexpr auto kFloat = memory::data_type::f32;

class Chain {
 public:
  explicit Chain(int64_t batch) : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_), batch_(batch) {
    x_ = Make({{batch, 3, 227, 227}, kFloat, memory::format_tag::nchw});
  }

  void Convolution(int64_t channels, int64_t kernel, int64_t stride, int64_t padding, int64_t groups) {
    const Dims in = x_.get_desc().get_dims();
    const int64_t side = (in[2] + 2 * padding - kernel) / stride + 1;
    const memory::desc source = Any(in), target = Any({batch_, channels, side, side}), bias = Row(channels);
    const memory::desc weights =
        Any(groups == 1 ? Dims{channels, in[1], kernel, kernel}
                        : Dims{groups, channels / groups, in[1] / groups, kernel, kernel});
    const Dims strides = {stride, stride}, pad = {padding, padding};
    const dnnl::convolution_forward::primitive_desc forward(engine_, dnnl::prop_kind::forward_training,
                                                            algorithm::convolution_direct, source, weights, bias,
                                                            target, strides, pad, pad, Relu());
    const memory x = Reordered(x_, forward.src_desc()), w = Make(forward.weights_desc()), b = Make(bias);
    const memory y = Make(forward.dst_desc());
    Forward(dnnl::convolution_forward(forward),
            {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_BIAS, b}, {DNNL_ARG_DST, y}});
    const bool first = backward_.empty();
    backward_.push_back([=](Chain& chain) {
      chain.ReluBackward(y);
      const dnnl::convolution_backward_weights::primitive_desc descriptor(
          chain.engine_, algorithm::convolution_direct, source, weights, bias, target, strides, pad, pad, forward);
      const memory dw = chain.Make(descriptor.diff_weights_desc()), db = chain.Make(bias);
      chain.Step(dnnl::convolution_backward_weights(descriptor),
                 {{DNNL_ARG_SRC, chain.Reordered(x, descriptor.src_desc())},
                  {DNNL_ARG_DIFF_DST, chain.Reordered(chain.gradient_, descriptor.diff_dst_desc())},
                  {DNNL_ARG_DIFF_WEIGHTS, dw},
                  {DNNL_ARG_DIFF_BIAS, db}});
      chain.Update(w, dw);
      if (first) return;
      const dnnl::convolution_backward_data::primitive_desc data(chain.engine_, algorithm::convolution_direct, source,
                                                                 weights, target, strides, pad, pad, forward);
      const memory dx = chain.Make(data.diff_src_desc());
      chain.Step(dnnl::convolution_backward_data(data),
                 {{DNNL_ARG_DIFF_DST, chain.Reordered(chain.gradient_, data.diff_dst_desc())},
                  {DNNL_ARG_WEIGHTS, chain.Reordered(w, data.weights_desc())},
                  {DNNL_ARG_DIFF_SRC, dx}});
      chain.gradient_ = dx;
    });
    x_ = y;
  }

  void Normalisation() {
    const memory x = x_;
    const memory::desc layout = x.get_desc();
    const dnnl::lrn_forward::primitive_desc forward(engine_, dnnl::prop_kind::forward_training,
                                                    algorithm::lrn_across_channels, layout, layout, 5, 5e-4f, .75f,
                                                    2.f);
    const memory y = Make(forward.dst_desc()), workspace = Make(forward.workspace_desc());
    Forward(dnnl::lrn_forward(forward), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, y}, {DNNL_ARG_WORKSPACE, workspace}});
    backward_.push_back([=](Chain& chain) {
      const dnnl::lrn_backward::primitive_desc descriptor(chain.engine_, algorithm::lrn_across_channels, layout, layout,
                                                          layout, 5, 5e-4f, .75f, 2.f, forward);
      const memory dx = chain.Make(descriptor.diff_src_desc());
      chain.Step(dnnl::lrn_backward(descriptor),
                 {{DNNL_ARG_SRC, x},
                  {DNNL_ARG_DIFF_DST, chain.Reordered(chain.gradient_, descriptor.diff_dst_desc())},
                  {DNNL_ARG_WORKSPACE, workspace},
                  {DNNL_ARG_DIFF_SRC, dx}});
      chain.gradient_ = dx;
    });
    x_ = y;
  }

  void Pooling() {
    const memory x = x_;
    const Dims in = x.get_desc().get_dims();
    const int64_t side = (in[2] - 3) / 2 + 1;
    const Dims strides = {2, 2}, kernel = {3, 3}, zero = {0, 0};
    const dnnl::pooling_forward::primitive_desc forward(engine_, dnnl::prop_kind::forward_training,
                                                        algorithm::pooling_max, x.get_desc(),
                                                        Any({batch_, in[1], side, side}), strides, kernel, zero, zero,
                                                        zero);
    const memory y = Make(forward.dst_desc()), workspace = Make(forward.workspace_desc());
    Forward(dnnl::pooling_forward(forward), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, y}, {DNNL_ARG_WORKSPACE, workspace}});
    backward_.push_back([=](Chain& chain) {
      const dnnl::pooling_backward::primitive_desc descriptor(chain.engine_, algorithm::pooling_max, x.get_desc(),
                                                              y.get_desc(), strides, kernel, zero, zero, zero,
                                                              forward);
      const memory dx = chain.Make(descriptor.diff_src_desc());
      chain.Step(dnnl::pooling_backward(descriptor),
                 {{DNNL_ARG_DIFF_DST, chain.Reordered(chain.gradient_, descriptor.diff_dst_desc())},
                  {DNNL_ARG_WORKSPACE, workspace},
                  {DNNL_ARG_DIFF_SRC, dx}});
      chain.gradient_ = dx;
    });
    x_ = y;
  }

  /** Sees pool5 as rows without moving it: a fixed permutation of the weights' columns. */
  void Flatten() {
    const memory x = x_;
    const Dims in = x.get_desc().get_dims();
    const memory::desc rows({batch_, in[1] * in[2] * in[3]}, kFloat, memory::format_tag::ab);
    x_ = memory(rows, engine_, x.get_data_handle());
    held_.push_back(x);
    backward_.push_back([layout = x.get_desc()](Chain& chain) {
      chain.held_.push_back(chain.gradient_);
      chain.gradient_ = memory(layout, chain.engine_, chain.gradient_.get_data_handle());
    });
  }

  void Linear(int64_t features, bool relu) {
    const memory x = x_;
    const memory::desc source = x.get_desc(), bias = Row(features);
    const memory::desc weights = Any({features, source.get_dims()[1]});
    const memory::desc target({batch_, features}, kFloat, memory::format_tag::ab);
    const dnnl::inner_product_forward::primitive_desc forward(engine_, dnnl::prop_kind::forward_training, source,
                                                              weights, bias, target,
                                                              relu ? Relu() : dnnl::primitive_attr());
    const memory w = Make(forward.weights_desc()), b = Make(bias), y = Make(target);
    Forward(dnnl::inner_product_forward(forward),
            {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_BIAS, b}, {DNNL_ARG_DST, y}});
    backward_.push_back([=](Chain& chain) {
      if (relu) chain.ReluBackward(y);
      const dnnl::inner_product_backward_weights::primitive_desc descriptor(chain.engine_, source, weights, bias, target,
                                                                            forward);
      const memory dw = chain.Make(descriptor.diff_weights_desc()), db = chain.Make(bias);
      chain.Step(dnnl::inner_product_backward_weights(descriptor), {{DNNL_ARG_SRC, x},
                                                                    {DNNL_ARG_DIFF_DST, chain.gradient_},
                                                                    {DNNL_ARG_DIFF_WEIGHTS, dw},
                                                                    {DNNL_ARG_DIFF_BIAS, db}});
      chain.Update(w, dw);
      const dnnl::inner_product_backward_data::primitive_desc data(chain.engine_, source, weights, target, forward);
      const memory dx = chain.Make(source);
      chain.Step(dnnl::inner_product_backward_data(data),
                 {{DNNL_ARG_DIFF_DST, chain.gradient_},
                  {DNNL_ARG_WEIGHTS, chain.Reordered(w, data.weights_desc())},
                  {DNNL_ARG_DIFF_SRC, dx}});
      chain.gradient_ = dx;
    });
    x_ = y;
  }

  /** Adds the backward half; call once, last. */
  void Finish() {
    gradient_ = Make(x_.get_desc());
    for (size_t i = backward_.size(); i-- > 0;) backward_[i](*this);
    for (const auto& update : updates_) steps_.push_back(update);
  }

  /** Milliseconds of one step. */
  double Run() {
    const auto start = std::chrono::steady_clock::now();
    for (const auto& step : steps_) step();
    stream_.wait();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  using Arguments = std::unordered_map<int, memory>;

  static memory::desc Any(const Dims& dims) { return {dims, kFloat, memory::format_tag::any}; }
  static memory::desc Row(int64_t count) { return {{count}, kFloat, memory::format_tag::x}; }

  static dnnl::primitive_attr Relu() {
    dnnl::post_ops post_ops;
    post_ops.append_eltwise(algorithm::eltwise_relu, 0.f, 0.f);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(post_ops);
    return attributes;
  }

  /** Memory of small values: timing of float arithmetic depends on denormals, so there are none. */
  memory Make(const memory::desc& layout) {
    memory made(layout, engine_);
    auto* bytes = static_cast<unsigned char*>(made.get_data_handle());
    if (layout.get_data_type() != kFloat) {
      std::fill_n(bytes, layout.get_size(), static_cast<unsigned char>(0));
      return made;
    }
    auto* values = static_cast<float*>(made.get_data_handle());
    for (size_t i = 0; i < layout.get_size() / sizeof(float); ++i) {
      values[i] = static_cast<float>((i * 2654435761u >> 8) % 1000) / 5000.f - 0.1f;
    }
    return made;
  }

  memory Reordered(const memory& from, const memory::desc& layout) {
    if (from.get_desc() == layout) return from;
    const memory to = Make(layout);
    Step(dnnl::reorder(from, to), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
    return to;
  }

  void Forward(const dnnl::primitive& primitive, const Arguments& arguments) { Step(primitive, arguments); }
  void Step(const dnnl::primitive& primitive, const Arguments& arguments) {
    steps_.emplace_back([this, primitive, arguments] { primitive.execute(stream_, arguments); });
  }

  void ReluBackward(const memory& y) {
    const memory::desc layout = y.get_desc();
    const auto function = algorithm::eltwise_relu_use_dst_for_bwd;
    const dnnl::eltwise_forward::primitive_desc forward(engine_, dnnl::prop_kind::forward_training, function, layout,
                                                        layout, 0.f, 0.f);
    const dnnl::eltwise_backward::primitive_desc descriptor(engine_, function, layout, layout, layout, 0.f, 0.f,
                                                            forward);
    gradient_ = Reordered(gradient_, layout);
    Step(dnnl::eltwise_backward(descriptor),
         {{DNNL_ARG_DST, y}, {DNNL_ARG_DIFF_DST, gradient_}, {DNNL_ARG_DIFF_SRC, gradient_}});
  }

  void Update(const memory& weights, const memory& gradient) {
    const memory velocity = Make(weights.get_desc());
    auto* w = static_cast<float*>(weights.get_data_handle());
    auto* v = static_cast<float*>(velocity.get_data_handle());
    const auto* g = static_cast<const float*>(gradient.get_data_handle());
    const auto count = static_cast<int64_t>(weights.get_desc().get_size() / sizeof(float));
    held_.insert(held_.end(), {weights, velocity, gradient});
    updates_.emplace_back([=] {
#pragma omp parallel for simd schedule(static)
      for (int64_t i = 0; i < count; ++i) {
        v[i] = 0.9f * v[i] - 1e-6f * (5e-4f * w[i] + g[i]);
        w[i] += v[i];
      }
    });
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  int64_t batch_;
  memory x_, gradient_;
  std::vector<memory> held_;
  std::vector<std::function<void()>> steps_, updates_;
  std::vector<std::function<void(Chain&)>> backward_;
};

}  // namespace

int main(int argc, char** argv) {
  const int64_t batch = argc > 1 ? std::atoi(argv[1]) : 128;
  const int steps = argc > 2 ? std::atoi(argv[2]) : 5;
  if (argc > 3) omp_set_num_threads(std::atoi(argv[3]));
  Chain chain(batch);
  chain.Convolution(96, 11, 4, 0, 1);
  chain.Normalisation();
  chain.Pooling();
  chain.Convolution(256, 5, 1, 2, 2);
  chain.Normalisation();
  chain.Pooling();
  chain.Convolution(384, 3, 1, 1, 1);
  chain.Convolution(384, 3, 1, 1, 2);
  chain.Convolution(256, 3, 1, 1, 2);
  chain.Pooling();
  chain.Flatten();
  chain.Linear(4096, true);
  chain.Linear(4096, true);
  chain.Linear(1000, false);
  chain.Finish();
  for (int i = 0; i < 2; ++i) chain.Run();
  for (int i = 0; i < steps; ++i) std::printf("%.1f\n", chain.Run());
  return 0;
}
