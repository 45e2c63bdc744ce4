#include "engine/chunked_replay.h"

#include <algorithm>
#include <exception>

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
  Part probe;  // recorded where it has to be found out what suits the network
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
  const int busy = static_cast<int>(std::min<int64_t>(replayers_, full_));
  main_ = probe.size == size ? std::move(probe) : record(network, parameters, size);
  add_workspaces(main_, 0, busy);
  if (rest > 0) {
    const int thread = static_cast<int>(full_ % replayers_);
    tail_ = record(network, parameters, rest);
    add_workspaces(tail_, thread, thread + 1);
  }
  const int64_t chunks = full_ + (rest > 0 ? 1 : 0);
  chunk_loss_.resize(chunks);
  chunk_correct_.resize(chunks);
  partials_.resize(reduce_partials(parameters.size()) + 1);
  parts_.resize(replayers_);
  logits_.resize(options.batch * classes_);
  if (options.differentiate == Differentiate::Yes) {
    const int used = static_cast<int>(std::min<int64_t>(replayers_, chunks));
    for (int t = 1; t < used; ++t) partial_.push_back(parameters.sibling(stream_));
  }
}

ChunkedReplay::Part ChunkedReplay::record(const RecordNetwork& network, const Arena& parameters,
                                          int64_t size) {
  Part part;
  part.size = size;
  part.tape = record_batch(inner_, network, parameters, buffers_, options_, size);
  const Program& program = part.tape->program();
  classes_ = program.slots[program.outputs[2]].shape[1];
  part.point = std::make_unique<Point>(*part.tape, inner_);
  part.workspaces.resize(replayers_);
  return part;
}

void ChunkedReplay::add_workspaces(Part& part, int first_thread, int last_thread) {
  for (int t = first_thread; t < last_thread; ++t) {
    part.workspaces[t] = std::make_unique<Workspace>(*part.tape, inner_);
  }
}

void ChunkedReplay::bind(const void* images, const int32_t* labels) {
  images_ = static_cast<const std::byte*>(images);
  labels_ = labels;
}

// body(thread) on every replaying thread; an exception of any is thrown here, the first one's.
template <class Body>
void ChunkedReplay::on_threads(const Body& body) {
  if (replayers_ == 1) return body(0);
  std::exception_ptr error;
#pragma omp parallel for num_threads(replayers_) schedule(static)
  for (int t = 0; t < replayers_; ++t) {
    try {
      body(t);
    } catch (...) {
#pragma omp critical
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

void ChunkedReplay::replay_chunk(int64_t chunk, int thread, bool tracks, Arena* gradient,
                                 Write mode, Write packed_mode) {
  Part& part = chunk < full_ ? main_ : tail_;
  Workspace& work = *part.workspaces[thread];
  const int64_t begin = chunk * main_.size;
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
  main_.point->stand_at(at, buffers_);
  if (tail_.tape != nullptr) tail_.point->stand_at(at, buffers_);
  const int packers = static_cast<int>(std::min<int64_t>(replayers_, full_));
  const auto packs = [](const Part& part) {
    return part.tape != nullptr && part.tape->program().packed_bytes > 0;
  };
  if (packs(main_) || packs(tail_)) {
    on_threads([&](int t) {
      if (t < packers) main_.point->pack(*main_.workspaces[t], t, packers);
      if (tail_.tape != nullptr && tail_.workspaces[t] != nullptr) {
        tail_.point->pack(*tail_.workspaces[t], 0, 1);
      }
    });
  }
  const bool tracks = track == Track::Yes && buffers_ != nullptr && options_.mode == Mode::Training;
  BASIN_CHECK(!tracks || options_.whole_batch, "[replay]",
              "running statistics need the whole batch");
  const auto chunks = static_cast<int64_t>(chunk_loss_.size());
  on_threads([&](int t) {
    Arena* own = gradient == nullptr || t == 0            ? gradient
                 : t <= static_cast<int>(partial_.size()) ? &partial_[t - 1]
                                                          : nullptr;
    for (int64_t chunk = t; chunk < chunks; chunk += replayers_) {
      // The arena's first write is the thread's first chunk; the tail has packed sums of its own.
      const auto first = [](bool yes) { return yes ? Write::Overwrite : Write::Accumulate; };
      replay_chunk(chunk, t, tracks, own, first(chunk == t), first(chunk == t || chunk == full_));
    }
  });
  result_ = {};
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t size = chunk < full_ ? main_.size : tail_.size;
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

// The threads' gradients made one: packed gradients first, then the arenas and the L2 term.
void ChunkedReplay::collect(const Arena& at, Arena& gradient) {
  dispatch(dtype_, [&]<class T>(T) {
    const int64_t packed = main_.tape->program().packed_gradient_bytes / int64_t{sizeof(T)};
    const int packers = static_cast<int>(std::min<int64_t>(replayers_, full_));
    if (packed > 0) {
      const auto packed_of = [&](int t) {
        return reinterpret_cast<T*>(main_.workspaces[t]->packed_gradient());
      };
      for (int t = 0; t < packers; ++t) parts_[t] = packed_of(t);
      if (packers > 1) {
        sum_parts(stream_, packed, reinterpret_cast<const T* const*>(parts_.data()), packers, 0.0,
                  static_cast<const T*>(nullptr), packed_of(0));
      }
      main_.workspaces[0]->unpack(gradient, Write::Overwrite);
    }
    if (tail_.tape != nullptr) {
      for (const auto& work : tail_.workspaces) {
        if (work != nullptr) work->unpack(gradient, Write::Accumulate);
      }
    }
    if (partial_.empty() && options_.l2 == 0) return;
    parts_[0] = gradient.as<T>();
    for (size_t t = 0; t < partial_.size(); ++t) parts_[t + 1] = partial_[t].as<T>();
    sum_parts(stream_, gradient.size(), reinterpret_cast<const T* const*>(parts_.data()),
              static_cast<int>(partial_.size()) + 1, options_.l2,
              options_.l2 > 0 ? at.as<T>() : nullptr, gradient.as<T>());
  });
}

void ChunkedReplay::differentiate(const Arena& at, Arena& gradient, Track track) {
  pass(at, &gradient, track);
  collect(at, gradient);
}

void ChunkedReplay::evaluate(const Arena& at) {
  pass(at, nullptr, Track::No);
}

int64_t ChunkedReplay::examples(int thread, int64_t nth) const {
  const auto chunks = static_cast<int64_t>(chunk_loss_.size());
  const int64_t a_pass = ceil_div<int64_t>(chunks - thread, replayers_);
  return thread + nth % a_pass * replayers_ < full_ ? main_.size : tail_.size;
}

void ChunkedReplay::observe(const std::function<ReplayObserver*(int thread)>& observer_of) {
  for (Part* part : {&main_, &tail_}) {
    for (size_t t = 0; t < part->workspaces.size(); ++t) {
      if (part->workspaces[t]) part->workspaces[t]->observe(observer_of(static_cast<int>(t)));
    }
  }
}

int64_t ChunkedReplay::bytes() const {
  int64_t bytes = 0;
  for (const Part* part : {&main_, &tail_}) {
    if (part->tape == nullptr) continue;
    bytes += part->tape->program().packed_bytes;
    for (const auto& work : part->workspaces) {
      if (work != nullptr) bytes += part->tape->workspace_bytes();
    }
  }
  for (const Arena& arena : partial_) bytes += arena.size() * dtype_size(dtype_);
  return bytes;
}

}  // namespace basin
