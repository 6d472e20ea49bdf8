// Fibers with stacks of their own, kept by each host thread for the next block.
// Invariant: a thread that never waits costs a function call; only those that wait cost a switch.
#include "fibers.h"

#include <sys/mman.h>

#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace simulation {

thread_local ThreadPlace place;

namespace {

constexpr size_t kStackBytes = size_t{64} << 10;

#if defined(__x86_64__)

// Pushes what the caller must find unchanged, swaps stacks, and returns into whoever left the other one.
asm(R"(
.text
.local SimulationSwitchStack
.type SimulationSwitchStack,@function
SimulationSwitchStack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
extern "C" void SimulationSwitchStack(void** save, void* load) asm("SimulationSwitchStack");

/** A place where execution can go on. */
class Context {
 public:
  void Start(char* stack, void (*entry)()) {
    auto* top = reinterpret_cast<void**>(stack + kStackBytes);
    *--top = nullptr;  // keeps the stack at 8 modulo 16 when `entry` begins, as after a call
    *--top = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    stack_ = top;
  }
  void SwitchTo(Context& other) { SimulationSwitchStack(&stack_, other.stack_); }

 private:
  void* stack_ = nullptr;
};

#else

class Context {
 public:
  void Start(char* stack, void (*entry)()) {
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack;
    context_.uc_stack.ss_size = kStackBytes;
    context_.uc_link = nullptr;
    makecontext(&context_, entry, 0);
  }
  void SwitchTo(Context& other) { swapcontext(&context_, &other.context_); }

 private:
  ucontext_t context_{};
};

#endif

class Fiber {
 public:
  Fiber()
      : stack_(static_cast<char*>(mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    if (stack_ == MAP_FAILED) throw std::runtime_error("no memory for the stack of a simulated thread");
  }
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber() { munmap(stack_, kStackBytes); }

  void Start(void (*entry)()) { context.Start(stack_, entry); }

  Context context;

 private:
  char* stack_;
};

/** The block that this host thread runs. */
class Scheduler {
 public:
  void Run(const std::function<void()>& body);
  void Wait();
  void RunThreads();

 private:
  struct Waiting {
    Index3 thread;
    Fiber* fiber;
  };

  void SwitchTo(Fiber* fiber);
  Fiber* TakeFiber();
  bool Advance();

  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  std::vector<Waiting> waiting_;       // at the barrier, in the order of their threads
  std::vector<Waiting> next_waiting_;  // at the one after it
  const std::function<void()>* body_ = nullptr;
  Fiber* current_ = nullptr;
  bool begun_all_ = false;
  Context main_;
};

thread_local Scheduler scheduler;

void FiberEntry() {
  scheduler.RunThreads();
}

/** Sets `place` to the block's next thread. @returns false after the last */
bool Scheduler::Advance() {
  Index3& thread = place.thread;
  const Index3& dim = place.block_dim;
  if (++thread.x < dim.x) return true;
  thread.x = 0;
  if (++thread.y < dim.y) return true;
  thread.y = 0;
  return ++thread.z < dim.z;
}

/** What a fiber does: the next thread, and the one after it for as long as none waits. */
void Scheduler::RunThreads() {
  for (;;) {
    (*body_)();
    // A thread that waited is not the last that began: the others have begun already.
    if (!begun_all_ && Advance()) continue;
    begun_all_ = true;
    idle_.push_back(current_);
    current_->context.SwitchTo(main_);
  }
}

void Scheduler::Wait() {
  next_waiting_.push_back({place.thread, current_});
  current_->context.SwitchTo(main_);
}

Fiber* Scheduler::TakeFiber() {
  if (idle_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>());
    idle_.push_back(fibers_.back().get());
  }
  Fiber* fiber = idle_.back();
  idle_.pop_back();
  fiber->Start(FiberEntry);
  return fiber;
}

void Scheduler::SwitchTo(Fiber* fiber) {
  current_ = fiber;
  main_.SwitchTo(fiber->context);
}

void Scheduler::Run(const std::function<void()>& body) {
  body_ = &body;
  begun_all_ = false;
  place.thread = {};
  SwitchTo(TakeFiber());
  while (!begun_all_) {
    if (Advance()) {
      SwitchTo(TakeFiber());
    } else {
      begun_all_ = true;
    }
  }
  while (!next_waiting_.empty()) {
    waiting_.swap(next_waiting_);
    next_waiting_.clear();
    for (const Waiting& waiting : waiting_) {
      place.thread = waiting.thread;
      SwitchTo(waiting.fiber);
    }
    waiting_.clear();
  }
}

}  // namespace

void WaitForBlock() {
  scheduler.Wait();
}

void RunBlock(const std::function<void()>& body) {
  scheduler.Run(body);
}

}  // namespace simulation
