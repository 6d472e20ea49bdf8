// Breaks each rule of the simulated GPU once, and keeps them all once: prints a line a test, `ok` or `not
// ok`.
// Invariant: only CUDA, cuDNN and cuBLASLt functions are called; the machine is asked for what it noticed.
#include <cuda.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "machine.h"

namespace simulation {
namespace {

// Enough of a cubin for the driver to take it for one: the kernels themselves are compiled for the host.
constexpr unsigned char kImage[] = {0x7F, 'E', 'L', 'F'};

/** A context with two streams and a kernel, given back at the end. */
struct Session {
  Session() {
    Machine::Get().Reset();
    CUcontext context = nullptr;
    cuInit(0);
    cuDevicePrimaryCtxRetain(&context, 0);
    cuCtxSetCurrent(context);
    cuStreamCreate(&compute, CU_STREAM_NON_BLOCKING);
    cuStreamCreate(&upload, CU_STREAM_NON_BLOCKING);
    cuModuleLoadData(&module, kImage);
    cuModuleGetFunction(&fill, module, "fill_8");
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    cuModuleUnload(module);
    cuStreamDestroy(compute);
    cuStreamDestroy(upload);
    cuDevicePrimaryCtxRelease(0);
  }

  CUdeviceptr Allocate(size_t bytes) const {
    CUdeviceptr address = 0;
    cuMemAlloc(&address, bytes);
    return address;
  }
  void* Pin(size_t bytes) const {
    void* address = nullptr;
    cuMemHostAlloc(&address, bytes, 0);
    return address;
  }
  /** Launches fill_8: `count` bytes at `target`. */
  CUresult Fill(CUdeviceptr target, int64_t count, CUstream stream) const {
    unsigned char value = 7;
    void* arguments[] = {&target, &count, &value};
    return cuLaunchKernel(fill, 2, 1, 1, 64, 1, 1, 0, stream, arguments, nullptr);
  }

  CUmodule module = nullptr;
  CUfunction fill = nullptr;
  CUstream compute = nullptr, upload = nullptr;
};

struct Test {
  const char* name;
  /** What a violation must say; empty: there must be none. */
  std::string violation;
  std::function<bool(const Session&)> body;
};

bool LaunchesAndReads(const Session& session) {
  const CUdeviceptr bytes = session.Allocate(1000);
  std::vector<unsigned char> host(1000);
  session.Fill(bytes, 1000, session.compute);
  cuMemcpyDtoHAsync(host.data(), bytes, host.size(), session.compute);
  cuMemFree(bytes);
  return std::all_of(host.begin(), host.end(), [](unsigned char value) { return value == 7; });
}

bool UsesFreed(const Session& session) {
  const CUdeviceptr bytes = session.Allocate(1000);
  cuMemFree(bytes);
  session.Fill(bytes, 1000, session.compute);
  return cuStreamSynchronize(session.compute) == CUDA_ERROR_ILLEGAL_ADDRESS &&
         cuStreamSynchronize(session.upload) == CUDA_ERROR_ILLEGAL_ADDRESS;
}

bool WritesPastTheEnd(const Session& session) {
  const CUdeviceptr bytes = session.Allocate(1000);
  session.Fill(bytes, 1001, session.compute);
  const bool lost = cuStreamSynchronize(session.compute) == CUDA_ERROR_ILLEGAL_ADDRESS;
  Machine::Get().sticky = CUDA_SUCCESS;
  cuMemFree(bytes);
  return lost;
}

bool CopiesTooMuch(const Session& session) {
  const CUdeviceptr bytes = session.Allocate(1000);
  cuMemsetD8Async(bytes, 0, 1001, session.compute);
  Machine::Get().sticky = CUDA_SUCCESS;
  cuMemFree(bytes);
  return true;
}

bool FreesTwice(const Session& session) {
  const CUdeviceptr bytes = session.Allocate(16);
  cuMemFree(bytes);
  return cuMemFree(bytes) == CUDA_ERROR_INVALID_VALUE;
}

bool Leaks(const Session& session) {
  session.Allocate(16);
  return true;
}

/** Fills on one stream, then on the other, which waits for an event or does not. */
bool TwoStreams(const Session& session, bool wait) {
  const CUdeviceptr bytes = session.Allocate(1000);
  CUevent event = nullptr;
  cuEventCreate(&event, CU_EVENT_DISABLE_TIMING);
  session.Fill(bytes, 1000, session.upload);
  cuEventRecord(event, session.upload);
  if (wait) cuStreamWaitEvent(session.compute, event, 0);
  session.Fill(bytes, 1000, session.compute);
  cuEventDestroy(event);
  cuMemFree(bytes);
  return true;
}

bool WaitsOnTheHost(const Session& session) {
  const CUdeviceptr bytes = session.Allocate(1000);
  session.Fill(bytes, 1000, session.upload);
  cuStreamSynchronize(session.upload);
  session.Fill(bytes, 1000, session.compute);
  cuMemFree(bytes);
  return true;
}

bool ReadsBeforeItWaits(const Session& session) {
  auto* pinned = static_cast<unsigned char*>(session.Pin(1000));
  const CUdeviceptr bytes = session.Allocate(1000);
  session.Fill(bytes, 1000, session.compute);
  cuMemcpyDtoHAsync(pinned, bytes, 1000, session.compute);
  const bool early = pinned[0] == 7;
  cuStreamSynchronize(session.compute);
  const bool late = pinned[0] == 7;
  cuMemFree(bytes);
  cuMemFreeHost(pinned);
  return !early && late;
}

bool OverwritesWhatIsBeingCopied(const Session& session) {
  auto* pinned = static_cast<unsigned char*>(session.Pin(4));
  const CUdeviceptr bytes = session.Allocate(4);
  pinned[0] = 1;
  cuMemcpyHtoDAsync(bytes, pinned, 4, session.compute);
  pinned[0] = 2;
  unsigned char back[4];
  cuMemcpyDtoHAsync(back, bytes, 4, session.compute);
  cuMemFree(bytes);
  cuMemFreeHost(pinned);
  return back[0] == 2;
}

bool StagesWhatIsNotPinned(const Session& session) {
  unsigned char host[4] = {1, 1, 1, 1}, back[4];
  const CUdeviceptr bytes = session.Allocate(4);
  cuMemcpyHtoDAsync(bytes, host, 4, session.compute);
  host[0] = 2;
  cuMemcpyDtoHAsync(back, bytes, 4, session.compute);
  cuMemFree(bytes);
  return back[0] == 1;
}

bool FreesPinnedTooEarly(const Session& session) {
  void* pinned = session.Pin(4);
  const CUdeviceptr bytes = session.Allocate(4);
  cuMemcpyHtoDAsync(bytes, pinned, 4, session.compute);
  cuMemFreeHost(pinned);
  cuMemFree(bytes);
  return true;
}

/** A fill that was captured, and can be replayed until it is destroyed. */
struct CapturedFill {
  CapturedFill(const Session& session, CUdeviceptr bytes) {
    cuStreamBeginCapture(session.compute, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
    session.Fill(bytes, 1000, session.compute);
    waited = cuStreamSynchronize(session.compute);
    cuStreamEndCapture(session.compute, &graph);
    cuGraphInstantiateWithFlags(&exec, graph, 0);
  }
  CapturedFill(const CapturedFill&) = delete;
  CapturedFill& operator=(const CapturedFill&) = delete;
  ~CapturedFill() {
    cuGraphExecDestroy(exec);
    cuGraphDestroy(graph);
  }

  CUresult waited = CUDA_SUCCESS;
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
};

bool Captures(const Session& session) {
  const CUdeviceptr bytes = session.Allocate(1000);
  const CapturedFill captured(session, bytes);
  unsigned char before[1000], after[1000];
  cuMemsetD8Async(bytes, 0, 1000, session.compute);
  cuMemcpyDtoHAsync(before, bytes, 1000, session.compute);
  cuGraphLaunch(captured.exec, session.compute);
  cuMemcpyDtoHAsync(after, bytes, 1000, session.compute);
  cuMemFree(bytes);
  return captured.waited == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED && before[999] == 0 && after[999] == 7;
}

bool ReplaysOnFreedMemory(const Session& session) {
  const CUdeviceptr bytes = session.Allocate(1000);
  const CapturedFill captured(session, bytes);
  cuMemFree(bytes);
  cuGraphLaunch(captured.exec, session.compute);
  Machine::Get().sticky = CUDA_SUCCESS;
  return true;
}

bool WaitsForAnEventByPolling(const Session& session) {
  const CUdeviceptr bytes = session.Allocate(8);
  CUevent event = nullptr;
  cuEventCreate(&event, CU_EVENT_DISABLE_TIMING);
  session.Fill(bytes, 8, session.compute);
  session.Fill(bytes, 8, session.compute);
  cuEventRecord(event, session.compute);
  int polls = 0;
  while (cuEventQuery(event) == CUDA_ERROR_NOT_READY && polls < 100) ++polls;
  cuEventDestroy(event);
  cuMemFree(bytes);
  return polls == 3;  // two kernels and the event
}

bool UsesADestroyedStream(const Session& session) {
  CUstream stream = nullptr;
  cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING);
  cuStreamDestroy(stream);
  (void)session;
  return cuStreamSynchronize(stream) == CUDA_ERROR_INVALID_HANDLE;
}

bool LaunchesTooManyThreads(const Session& session) {
  void* arguments[3] = {};
  return cuLaunchKernel(session.fill, 1, 1, 1, 2048, 1, 1, 0, session.compute, arguments, nullptr) ==
         CUDA_ERROR_INVALID_VALUE;
}

bool RunsOutOfMemory(const Session& session) {
  Machine::Get().settings.memory_bytes = 1000;
  CUdeviceptr address = 0;
  const CUdeviceptr first = session.Allocate(600);
  const bool full = cuMemAlloc(&address, 600) == CUDA_ERROR_OUT_OF_MEMORY;
  cuMemFree(first);
  const bool again = cuMemAlloc(&address, 600) == CUDA_SUCCESS;
  cuMemFree(address);
  return full && again;
}

bool NeedsAContext(const Session&) {
  CUresult status = CUDA_SUCCESS;
  std::thread([&] {
    CUdeviceptr address = 0;
    status = cuMemAlloc(&address, 16);
  }).join();
  return status == CUDA_ERROR_INVALID_CONTEXT;
}

bool FailsOnDemand(const Session& session) {
  Machine::Get().Inject({"cuMemAlloc", 1, 1, CUDA_ERROR_OUT_OF_MEMORY});
  CUdeviceptr first = session.Allocate(16), second = 0;
  const bool failed = cuMemAlloc(&second, 16) == CUDA_ERROR_OUT_OF_MEMORY;
  const bool then = cuMemAlloc(&second, 16) == CUDA_SUCCESS;
  cuMemFree(first);
  cuMemFree(second);
  return failed && then;
}

bool LosesTheContext(const Session& session) {
  Machine::Get().Inject({"cuStreamSynchronize", 0, 1, CUDA_ERROR_LAUNCH_FAILED});
  CUdeviceptr address = 0;
  const bool lost = cuStreamSynchronize(session.compute) == CUDA_ERROR_LAUNCH_FAILED &&
                    cuMemAlloc(&address, 16) == CUDA_ERROR_LAUNCH_FAILED;
  Machine::Get().sticky = CUDA_SUCCESS;
  return lost;
}

const std::vector<Test> kTests = {
    {"runs a kernel and copies what it wrote", "", LaunchesAndReads},
    {"notices memory that is used after it was freed", "the freed allocation", UsesFreed},
    {"notices a kernel that writes past the end", "wrote past the end of allocation", WritesPastTheEnd},
    {"notices work on more bytes than were allocated", "writes 1001 bytes", CopiesTooMuch},
    {"notices memory that is freed twice", "cuMemFree", FreesTwice},
    {"notices memory that is left behind", "left behind when the context was released: 1 x allocation",
     Leaks},
    {"notices streams that do not wait for each other", "does not wait for it",
     [](const Session& session) { return TwoStreams(session, false); }},
    {"lets streams share memory when one waits for an event of the other", "",
     [](const Session& session) { return TwoStreams(session, true); }},
    {"lets streams share memory when the host has waited between", "", WaitsOnTheHost},
    {"runs nothing before somebody waits for it", "", ReadsBeforeItWaits},
    {"copies pinned memory when the stream gets there", "", OverwritesWhatIsBeingCopied},
    {"copies other memory at once", "", StagesWhatIsNotPinned},
    {"notices pinned memory that is freed under a copy", "has not been waited for", FreesPinnedTooEarly},
    {"captures a graph without running it, and replays it", "", Captures},
    {"notices a graph that is replayed on freed memory", "the freed allocation", ReplaysOnFreedMemory},
    {"makes progress for who polls an event", "", WaitsForAnEventByPolling},
    {"notices a stream that was destroyed", "destroyed or never made", UsesADestroyedStream},
    {"refuses a block of too many threads", "2048", LaunchesTooManyThreads},
    {"runs out of memory", "", RunsOutOfMemory},
    {"refuses a thread without the context", "", NeedsAContext},
    {"fails a call on demand, once", "", FailsOnDemand},
    {"stays lost once the context is lost", "", LosesTheContext},
};

/** @returns what is wrong, or an empty text */
std::string Run(const Test& test) {
  bool held = false;
  {
    const Session session;
    held = test.body(session);
  }
  const auto violations = Machine::Get().TakeViolations();
  if (!held) return "it did not behave so";
  if (test.violation.empty()) return violations.empty() ? "" : "violation: " + violations[0];
  const bool said = std::any_of(violations.begin(), violations.end(), [&](const std::string& violation) {
    return violation.find(test.violation) != std::string::npos;
  });
  return said ? "" : "no violation says '" + test.violation + "'";
}

int RunAll() {
  int failures = 0;
  for (const Test& test : kTests) {
    const std::string wrong = Run(test);
    std::printf("%s - %s%s%s\n", wrong.empty() ? "ok" : "not ok", test.name, wrong.empty() ? "" : ": ",
                wrong.c_str());
    if (!wrong.empty()) ++failures;
    // What a broken rule left behind must not be noticed again.
    Machine::Get().Forget();
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace simulation

int main() {
  return simulation::RunAll();
}
