// The queue's thread: takes commands in order, turns exceptions into failures that travel with tensors.
// Invariant: an exception never leaves the thread; a failed op leaves the device usable.
#include "core/device.h"

#include <new>

#include "core/error.h"

namespace alexnet {

Device::Device(std::unique_ptr<Backend> backend) : backend_(std::move(backend)), profiler_(*backend_) {
  thread_ = std::thread([this] { Loop(); });
}

Device::~Device() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
    abandon_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Device::Close() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
}

void Device::Enqueue(Command command) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(command));
  }
  wake_.notify_one();
}

void Device::Loop() {
  const auto failed = Attempt("openDevice", "", [this] { backend_->Start(); });
  if (failed) failure_ = failed;
  for (;;) {
    Command command;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
      if (abandon_ || queue_.empty()) break;
      command = std::move(queue_.front());
      queue_.pop_front();
    }
    command();
  }
  // Storage must die on this thread, while the backend lives.
  std::deque<Command> rest;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    rest.swap(queue_);
  }
  rest.clear();
  finished_ = true;
}

std::shared_ptr<const Failure> Device::Attempt(const std::string& op, const std::string& label,
                                               const Command& work) {
  ErrorCode code = ErrorCode::kNative;
  std::string message;
  try {
    work();
    return nullptr;
  } catch (const Error& error) {
    code = error.code();
    message = error.what();
  } catch (const std::bad_alloc&) {
    code = ErrorCode::kOutOfMemory;
    message = "the system has no memory left; try a smaller batch";
  } catch (const std::exception& error) {
    message = error.what();
  } catch (...) {
    message = "unknown exception";
  }
  return std::make_shared<const Failure>(Failure{ToString(code), message, op, label});
}

void Device::RunOp(OpCall& call) {
  std::shared_ptr<const Failure> failure;
  for (const TensorPtr& input : call.inputs) {
    if (input && input->failure && !failure) failure = input->failure;
  }
  if (!failure) {
    failure = Attempt(call.op->name, call.label,
                      [&] { profiler_.Measure(call.op->name, call.label, [&] { backend_->Run(call); }); });
    if (!failure) return;
    if (!failure_) failure_ = failure;
    // An op without outputs changes its inputs; what the first holds now is not what the caller meant.
    // (Skipped because of a failed input, it has changed nothing: parameters survive a failed step.)
    if (call.op->outputs.empty() && call.inputs[0]) call.inputs[0]->failure = failure;
  }
  for (const TensorPtr& output : call.outputs) {
    if (output) output->failure = failure;
  }
}

void Device::Submit(OpCall call) {
  Enqueue([this, call = std::make_shared<OpCall>(std::move(call))] { RunOp(*call); });
}

void Device::Upload(TensorPtr tensor, std::vector<unsigned char> bytes) {
  auto source = std::make_shared<std::vector<unsigned char>>(std::move(bytes));
  Enqueue([this, tensor = std::move(tensor), source] {
    tensor->failure = Attempt("upload", "", [&] {
      profiler_.Measure("upload", "", [&] { backend_->Upload(*tensor, source->data()); });
    });
    if (tensor->failure && !failure_) failure_ = tensor->failure;
  });
}

void Device::Upload(TensorPtr tensor, const void* source, Completion done) {
  Enqueue([this, tensor = std::move(tensor), source, done = std::move(done)] {
    tensor->failure = Attempt(
        "upload", "", [&] { profiler_.Measure("upload", "", [&] { backend_->Upload(*tensor, source); }); });
    done(tensor->failure);
  });
}

void Device::Download(TensorPtr tensor, void* target, Completion done) {
  Enqueue([this, tensor = std::move(tensor), target, done = std::move(done)] {
    std::shared_ptr<const Failure> failure = TakeFailure();
    if (tensor->failure) failure = tensor->failure;
    if (!failure) {
      failure = Attempt("download", "", [&] {
        profiler_.Measure("download", "", [&] { backend_->Download(*tensor, target); });
      });
    }
    done(failure);
  });
}

void Device::Synchronize(Completion done) {
  Enqueue([this, done = std::move(done)] {
    std::shared_ptr<const Failure> failure = TakeFailure();
    if (!failure) failure = Attempt("synchronize", "", [&] { backend_->Synchronize(); });
    done(failure);
  });
}

void Device::Release(TensorPtr tensor) {
  Enqueue([tensor = std::move(tensor)] {});
}

void Device::Trim() {
  Enqueue([this] { backend_->Trim(); });
}

void Device::BeginGathering() {
  Enqueue([this] { backend_->BeginGathering(); });
}

void Device::EndGathering() {
  Enqueue([this] {
    const auto failure = Attempt("graph", "", [this] { backend_->EndGathering(); });
    if (failure && !failure_) failure_ = failure;
  });
}

void Device::StartProfile() {
  Enqueue([this] { profiler_.Start(); });
}

void Device::MarkProfile(std::string label) {
  Enqueue([this, label = std::move(label)] { profiler_.Mark(label); });
}

void Device::StopProfile(std::function<void(std::shared_ptr<const Profile>)> done) {
  Enqueue([this, done = std::move(done)] { done(std::make_shared<const Profile>(profiler_.Stop())); });
}

void Device::ListPlans(std::function<void(std::vector<PlanDescription>)> done) {
  Enqueue([this, done = std::move(done)] { done(backend_->Plans()); });
}

std::shared_ptr<const Failure> Device::TakeFailure() {
  std::shared_ptr<const Failure> failure;
  failure.swap(failure_);
  return failure;
}

}  // namespace alexnet
