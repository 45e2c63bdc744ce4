#include "engine/chunked_replay.h"

#include <algorithm>

#include "kernels/reduce.h"

namespace basin {
namespace {

// 32 examples read a network's packed weights seldom enough, and give its smallest images enough
// tiles; more, where a workspace of them still fits a core's cache, save calls. Not measured: the
// same batch gives the same bytes.
constexpr int64_t kLeastChunk = 32, kMostChunk = 64, kCacheBytes = 1 << 20;

// By the bytes of a workspace of kLeastChunk examples.
int64_t suitable_chunk(int64_t workspace_bytes) {
  const int64_t bytes_each = std::max<int64_t>(ceil_div(workspace_bytes, kLeastChunk), 1);
  return std::clamp(kCacheBytes / bytes_each / kLeastChunk * kLeastChunk, kLeastChunk, kMostChunk);
}

}  // namespace

ChunkedReplay::ChunkedReplay(const Stream& stream, const RecordNetwork& network,
                             const Arena& parameters, Arena* buffers, const ReplayOptions& options)
    : options_(options),
      stream_(stream),
      inner_(Stream::cpu(options.whole_batch ? stream.threads() : 1)),
      replayers_(options.whole_batch ? 1 : stream.threads()),
      dtype_(parameters.dtype()),
      buffers_(buffers) {
  // Equal shares for the threads: as few chunks as the limit allows, a multiple of the threads.
  ReplayPart probe;  // recorded where it has to be found out what suits the network
  int64_t chunk = options.whole_batch ? options.batch : options.chunk;
  if (chunk <= 0) {
    probe = record(network, parameters, kLeastChunk);
    chunk = suitable_chunk(probe.tape->program().workspace_bytes);
  }
  const int64_t rounds = ceil_div(options.batch, replayers_ * chunk);
  const int64_t size =
      options.whole_batch ? options.batch : ceil_div(options.batch, replayers_ * rounds);
  full_ = options.batch / size;
  const int64_t rest = options.batch % size;
  parts_.push_back(probe.size == size ? std::move(probe) : record(network, parameters, size));
  parts_[0].add_workspaces(inner_, 0, static_cast<int>(std::min<int64_t>(replayers_, full_)));
  if (rest > 0) {
    const int thread = static_cast<int>(full_ % replayers_);
    parts_.push_back(record(network, parameters, rest));
    parts_[1].add_workspaces(inner_, thread, thread + 1);
  }
  const int64_t chunks = full_ + (rest > 0 ? 1 : 0);
  chunk_loss_.resize(chunks);
  chunk_correct_.resize(chunks);
  partials_.resize(reduce_partials(parameters.size()) + 1);
  logits_.resize(options.batch * classes_);
  if (options.differentiate == Differentiate::Yes) {
    const auto used = static_cast<int>(std::min<int64_t>(replayers_, chunks));
    partial_ = PartialGradients(stream_, parameters, used);
  }
}

ReplayPart ChunkedReplay::record(const RecordNetwork& network, const Arena& parameters,
                                 int64_t size) {
  ReplayPart part;
  part.size = size;
  part.tape = record_batch(inner_, network, parameters, buffers_, options_, size);
  const Program& program = part.tape->program();
  classes_ = program.slots[program.outputs[2]].shape[1];
  part.point = std::make_unique<Point>(*part.tape, inner_);
  part.workspaces.resize(replayers_);
  return part;
}

void ChunkedReplay::bind(const void* images, const int32_t* labels) {
  images_ = static_cast<const std::byte*>(images);
  labels_ = labels;
}

void ChunkedReplay::replay_chunk(int64_t chunk, int thread, bool tracks, Arena* gradient,
                                 Write mode, Write packed_mode) {
  ReplayPart& part = part_of(chunk);
  Workspace& work = *part.workspaces[thread];
  const int64_t begin = chunk * parts_[0].size;
  const int64_t image_bytes = options_.h * options_.w * options_.c * dtype_size(dtype_);
  work.bind(0, images_ + begin * image_bytes);
  work.bind(1, labels_ + begin);
  work.forward(*part.point);
  if (tracks) work.track(*buffers_);
  chunk_loss_[chunk] = work.scalar(0);
  chunk_correct_[chunk] = work.scalar(1);
  const Tensor logits = work.output(2);
  dispatch(dtype_, [&]<class T>(T) {
    std::copy_n(logits.as<T>(), logits.shape.size(), logits_.begin() + begin * classes_);
  });
  if (gradient == nullptr) return;
  const double share = static_cast<double>(part.size) / static_cast<double>(options_.batch);
  work.backward_part(*part.point, *gradient, share, mode, packed_mode);
}

void ChunkedReplay::pass(const Arena& at, Arena* gradient, Track track) {
  BASIN_CHECK(images_ != nullptr, "[replay]", "found no batch: call bind() first");
  const auto packs = [](const ReplayPart& part) { return part.tape->program().packed_bytes > 0; };
  for (ReplayPart& part : parts_) part.point->stand_at(at, buffers_);
  if (std::any_of(parts_.begin(), parts_.end(), packs)) {
    on_threads(replayers_, [&](int t) {
      for (ReplayPart& part : parts_) part.pack(t);
    });
  }
  const bool tracks = track == Track::Yes && buffers_ != nullptr && options_.mode == Mode::Training;
  BASIN_CHECK(!tracks || options_.whole_batch, "[replay]",
              "running statistics need the whole batch");
  const auto chunks = static_cast<int64_t>(chunk_loss_.size());
  on_threads(replayers_, [&](int t) {
    for (int64_t chunk = t; chunk < chunks; chunk += replayers_) {
      Arena* own = gradient == nullptr ? nullptr : partial_.of(t, *gradient);
      // The arena's first write is the thread's first chunk; the rest has packed sums of its own.
      const auto first = [](bool yes) { return yes ? Write::Overwrite : Write::Accumulate; };
      replay_chunk(chunk, t, tracks, own, first(chunk == t), first(chunk == t || chunk == full_));
    }
  });
  result_ = {};
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t size = part_of(chunk).size;
    result_.loss += chunk_loss_[chunk] * static_cast<double>(size);
    result_.correct += chunk_correct_[chunk];
  }
  result_.loss /= static_cast<double>(options_.batch);
  if (options_.l2 > 0) {
    dispatch(dtype_, [&]<class T>(T) {
      squared_norm(stream_, at.size(), at.as<T>(), partials_.data() + 1, partials_.data());
    });
    result_.loss += options_.l2 / 2 * partials_[0];
  }
}

void ChunkedReplay::differentiate(const Arena& at, Arena& gradient, Track track) {
  pass(at, &gradient, track);
  partial_.collect(parts_, options_.l2, &at, gradient);
}

void ChunkedReplay::evaluate(const Arena& at) {
  pass(at, nullptr, Track::No);
}

int64_t ChunkedReplay::examples(int thread, int64_t nth) const {
  const auto chunks = static_cast<int64_t>(chunk_loss_.size());
  const int64_t a_pass = ceil_div<int64_t>(chunks - thread, replayers_);
  return thread + nth % a_pass * replayers_ < full_ ? parts_[0].size : parts_[1].size;
}

void ChunkedReplay::observe(const std::function<ReplayObserver*(int thread)>& observer_of) {
  for (const ReplayPart& part : parts_) {
    for (size_t t = 0; t < part.workspaces.size(); ++t) {
      if (part.workspaces[t]) part.workspaces[t]->observe(observer_of(static_cast<int>(t)));
    }
  }
}

int64_t ChunkedReplay::bytes() const {
  int64_t bytes = partial_.bytes();
  for (const ReplayPart& part : parts_) bytes += part.bytes();
  return bytes;
}

}  // namespace basin
