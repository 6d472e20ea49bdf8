"""AlexNet in PyTorch on the GPU: images a second, as verify-cuda's benchmark.ts measures them.

Invariant: channels_last and autocast are used as PyTorch recommends; one line of JSON is printed.
"""

import json
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

QUICK = "--quick" in sys.argv
SIZE, CLASSES = (67, 10) if QUICK else (227, 1000)
BATCHES = [1, 16] if QUICK else [1, 128, 1024]
ROUNDS, ROUND_SECONDS = (1, 0.001) if QUICK else (5, 0.5)
DTYPES = {"float32": None, "tf32": None, "float16": torch.float16, "bfloat16": torch.bfloat16}


def network() -> nn.Sequential:
    """The preset bvlc: LRN after ReLU, k = 1, two groups."""

    def conv(*sizes: int, **options: int) -> list[nn.Module]:
        return [nn.Conv2d(*sizes, **options), nn.ReLU(inplace=True)]

    def lrn() -> nn.Module:
        return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)

    side = (SIZE - 11) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return nn.Sequential(
        *conv(3, 96, 11, stride=4), lrn(), nn.MaxPool2d(3, 2),
        *conv(96, 256, 5, padding=2, groups=2), lrn(), nn.MaxPool2d(3, 2),
        *conv(256, 384, 3, padding=1),
        *conv(384, 384, 3, padding=1, groups=2),
        *conv(384, 256, 3, padding=1, groups=2), nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Linear(256 * side * side, 4096), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.Linear(4096, CLASSES),
    )


def measure(work) -> float:
    """Seconds of one call, the median of rounds."""

    def one_round(count: int) -> float:
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(count):
            work()
        torch.cuda.synchronize()
        return time.perf_counter() - start

    one_round(3)
    count = 1
    while one_round(count) < ROUND_SECONDS:
        count *= 2
    return statistics.median(one_round(count) / count for _ in range(ROUNDS))


def make_work(task: str, precision: str, batch: int, compiled: bool):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    torch.backends.cudnn.benchmark = True
    dtype = DTYPES[precision]
    model = network().cuda().to(memory_format=torch.channels_last).train(task == "train")
    run = torch.compile(model) if compiled else model
    x = torch.randn(batch, 3, SIZE, SIZE, device="cuda").to(memory_format=torch.channels_last)
    labels = torch.arange(batch, device="cuda") % CLASSES

    def forward() -> torch.Tensor:
        with torch.autocast("cuda", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            return run(x)

    if task == "infer":
        return torch.inference_mode()(forward)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4, fused=True)
    scaler = torch.amp.GradScaler("cuda", enabled=precision == "float16")

    def step() -> None:
        loss = F.cross_entropy(forward().float(), labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)

    return step


def measure_one(task: str, precision: str, batch: int, compiled: bool) -> dict:
    result = {"task": task, "precision": precision, "batchSize": batch, "compiled": compiled}
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    try:
        seconds = measure(make_work(task, precision, batch, compiled))
        peak = torch.cuda.max_memory_allocated()
        return {**result, "imagesPerSecond": batch / seconds, "peakBytes": peak}
    except RuntimeError as error:
        return {**result, "imagesPerSecond": None, "peakBytes": 0, "reason": str(error).splitlines()[0]}


def main() -> None:
    if not torch.cuda.is_available():
        reason = "PyTorch is installed, but finds no GPU"
        print(json.dumps({"version": torch.__version__, "reason": reason, "speed": []}))
        return
    speed = [
        measure_one(task, precision, batch, compiled)
        for task in ("train", "infer") for precision in DTYPES for batch in BATCHES for compiled in (False, True)
    ]
    print(json.dumps({"version": torch.__version__, "speed": speed}))


main()
