#include "engine/group_replay.h"

#include <algorithm>

#include "kernels/elementwise.h"
#include "kernels/reduce.h"

namespace basin {
namespace {

constexpr double kMebibyte = 1 << 20;

// All threads in one chunk's ops, or each in a chunk of its own.
int replayers_of(const Stream& stream, const ReplayOptions& options) {
  const int64_t groups = ceil_div(options.batch, options.microbatch);
  if (stream.is_cuda() || options.whole_batch || groups < stream.threads()) return 1;
  return stream.threads();
}

Buffer placed(const Stream& stream, const std::vector<double>& values) {
  Buffer buffer(stream, static_cast<int64_t>(values.size() * sizeof(double)));
  copy_to_device(stream, buffer.data(), values.data(), buffer.bytes());
  return buffer;
}

double* doubles(const Buffer& buffer) {
  return reinterpret_cast<double*>(buffer.data());
}

Write overwrite_if(bool yes) {
  return yes ? Write::Overwrite : Write::Accumulate;
}

}  // namespace

GroupReplay::GroupReplay(const Stream& stream, const RecordNetwork& network,
                         const Arena& parameters, Arena* buffers, const ReplayOptions& options)
    : options_(options),
      stream_(stream),
      replayers_(replayers_of(stream, options)),
      inner_(replayers_ == 1 ? stream : Stream::cpu(1)),
      dtype_(parameters.dtype()),
      buffers_(buffers) {
  const int64_t m = options.microbatch, rest = options.batch % m;
  add_part(network, parameters, 1, m, options.batch / m);
  if (rest > 0) add_part(network, parameters, 1, rest, 1);
  std::vector<double> chunk_shares, group_shares;
  for (const Chunk& chunk : chunks_) chunk_shares.push_back(share(part_of(chunk).size));
  for (int64_t g = 0; g < groups(); ++g) {
    group_shares.push_back(share(std::min(m, options.batch - g * m)));
  }
  chunk_shares_ = placed(stream, chunk_shares);
  group_shares_ = placed(stream, group_shares);
  partial_ = PartialGradients(stream, parameters, replayers_);
  for (int t = 0; options.l2 > 0 && t < replayers_; ++t) {
    point_sums_.push_back(parameters.sibling(inner_));
  }
  const int64_t size = dtype_size(dtype_), chunks = static_cast<int64_t>(chunks_.size());
  losses_ = Buffer(stream, kPasses * chunks * size);
  correct_ = Buffer(stream, kPasses * chunks * size);
  logits_ = Buffer(stream, options.batch * classes_ * size);
  squared_norms_ = Buffer(
      stream, (groups() + 1 + reduce_partials(parameters.size())) * int64_t{sizeof(double)});
  results_ = Buffer(stream, kPasses * int64_t{sizeof(PassResult)});
}

// `chunks` chunks of `groups` groups of `group_size` examples, behind those that are there.
void GroupReplay::add_part(const RecordNetwork& network, const Arena& parameters, int64_t groups,
                           int64_t group_size, int64_t chunks) {
  ReplayPart& part = parts_.emplace_back();
  part.size = groups * group_size;
  part.tape = record_batch(inner_, network, parameters, buffers_, options_, part.size);
  const Program& program = part.tape->program();
  classes_ = program.slots[program.outputs[2]].shape[1];
  const int64_t needed = part.tape->workspace_bytes() + 2 * program.packed_bytes +
                         program.packed_gradient_bytes;
  if (const DeviceMemory memory = device_memory(stream_); stream_.is_cuda() && memory.free < needed) {
    fail_run("memory",
             "the plan of {} examples needs {:.1f} MiB, but of the device's {:.1f} MiB {:.1f} are "
             "free: use a smaller --microbatch or --width",
             part.size, static_cast<double>(needed) / kMebibyte,
             static_cast<double>(memory.total) / kMebibyte,
             static_cast<double>(memory.free) / kMebibyte);
  }
  part.point = std::make_unique<Point>(*part.tape, inner_);
  part.workspaces.resize(replayers_);
  auto& climbers = climbers_.emplace_back(replayers_);
  const auto first = static_cast<int64_t>(chunks_.size());
  int64_t example = options_.batch - (first == 0 ? options_.batch : part.size * chunks);
  for (int64_t c = first; c < first + chunks; ++c) {
    const auto t = static_cast<int>(c % replayers_);
    chunks_.push_back({.part = static_cast<int>(parts_.size()) - 1,
                       .first_of_thread = c < replayers_,
                       .first_of_part = c < first + replayers_,
                       .begin = example,
                       .group = example / options_.microbatch});
    example += part.size;
    if (c >= first + replayers_) continue;
    part.add_workspaces(inner_, t, t + 1);
    climbers[t] = std::make_unique<Climber>(
        Climber{Arena(inner_, parameters.layout(), dtype_, groups),
                {inner_, parameters.layout(), dtype_, groups, options_.epsilon},
                Point(*part.tape, inner_),
                Buffer(inner_, program.packed_gradient_bytes)});
  }
}

bool GroupReplay::tracks(Track track) const {
  const bool yes = track == Track::Yes && buffers_ != nullptr && options_.mode == Mode::Training;
  BASIN_CHECK(!yes || options_.whole_batch, "[replay]",
              "running statistics need the groups in their order");
  return yes;
}

void GroupReplay::bind(const void* images, const int32_t* labels) {
  images_ = static_cast<const std::byte*>(images);
  labels_ = labels;
}

void GroupReplay::pack(const Arena& at) {
  BASIN_CHECK(images_ != nullptr, "[replay]", "found no batch: call bind() first");
  for (ReplayPart& part : parts_) part.point->stand_at(at, buffers_);
  on_threads(replayers_, [&](int t) {
    for (ReplayPart& part : parts_) part.pack(t);
  });
}

template <class Body>
void GroupReplay::for_chunks(const Body& body) {
  const auto chunks = static_cast<int64_t>(chunks_.size());
  on_threads(replayers_, [&](int t) {
    for (int64_t c = t; c < chunks; c += replayers_) body(c, chunks_[c], t);
  });
}

void GroupReplay::forward(int64_t index, int thread, const Point& at, Pass pass) {
  const Chunk& chunk = chunks_[index];
  Workspace& work = work_of(chunk, thread);
  work.bind(0, images_ + chunk.begin * options_.h * options_.w * options_.c * dtype_size(dtype_));
  work.bind(1, labels_ + chunk.begin);
  work.forward(at);
  dispatch(dtype_, [&]<class T>(T) {
    const auto keep = [&](int output, int64_t n, T* to) {
      map<T>(inner_, Copy<T>{}, n, {work.output(output).as<T>()}, {to});
    };
    keep(0, 1, pass_values<T>(losses_, pass) + index);
    keep(1, 1, pass_values<T>(correct_, pass) + index);
    if (pass == kLast) return;
    keep(2, part_of(chunk).size * classes_,
         reinterpret_cast<T*>(logits_.data()) + chunk.begin * classes_);
  });
}

// From w to the points of the chunk's groups.
void GroupReplay::climb(int64_t index, int thread, const Arena& weights, const Ascent& ascent,
                        bool tracks) {
  const Chunk& chunk = chunks_[index];
  const ReplayPart& part = part_of(chunk);
  Workspace& work = work_of(chunk, thread);
  auto& [gradient, space, point, packed] = climber_of(chunk, thread);
  space.first_group = chunk.group;
  work.exchange_packed_gradient(packed);
  for (int k = 0; k < ascent.moves(); ++k) {
    const Point& at = k == 0 ? *part.point : point;
    const Arena& here = k == 0 ? weights : space.point;
    forward(index, thread, at, k == 0 ? kFirst : kLast);
    if (k == 0 && tracks) work.track(*buffers_);
    // The loss is the chunk's mean: so many times it has each group's mean.
    work.backward(at, gradient, static_cast<double>(gradient.groups()));
    if (options_.l2 > 0) {
      dispatch(dtype_, [&]<class T>(T) {
        for (int64_t g = 0; g < gradient.groups(); ++g) {
          const T* w = here.as<T>(g % here.groups());
          map<T>(inner_, AddScaled<T>{static_cast<T>(options_.l2)}, here.size(),
                 {gradient.as<T>(g), w}, {gradient.as<T>(g)});
        }
      });
    }
    ascent.move(inner_, k, weights, gradient, space);
    point.move_to(space.point, buffers_, work);
  }
  work.exchange_packed_gradient(packed);
}

// The chunk's gradient at `at`, by its share, into the thread's sum.
void GroupReplay::sum_gradient(const Chunk& chunk, int thread, const Point& at, Arena& gradient) {
  work_of(chunk, thread)
      .backward_part(at, *partial_.of(thread, gradient), share(part_of(chunk).size),
                     overwrite_if(chunk.first_of_thread), overwrite_if(chunk.first_of_part));
}

// For the L2 term: the sum of the points, whose multiple is its gradient, and their norms.
void GroupReplay::sum_points(const Chunk& chunk, int thread) {
  AscentSpace& space = climber_of(chunk, thread).space;
  dispatch(dtype_, [&]<class T>(T) {
    const int64_t groups = space.point.groups(), n = space.point.size();
    const double each = share(part_of(chunk).size) / static_cast<double>(groups);
    for (int64_t g = 0; g < groups; ++g) {
      const T* at = space.point.as<T>(g);
      map<T>(inner_, Scale<T>{static_cast<T>(each)}, n, {at}, {point_sums_[thread].as<T>()},
             overwrite_if(chunk.first_of_thread && g == 0));
      squared_norm(inner_, n, at, doubles(space.partials),
                   doubles(squared_norms_) + chunk.group + g);
    }
  });
}

void GroupReplay::collect_points() {
  dispatch(dtype_, [&]<class T>(T) {
    T* sum = point_sums_[0].as<T>();
    for (int t = 1; t < replayers_; ++t) {
      const Arena& other = point_sums_[t];
      map<T>(stream_, Add<T>{}, other.size(), {sum, other.as<T>()}, {sum});
    }
  });
}

void GroupReplay::differentiate_perturbed(const Arena& weights, const Ascent& ascent,
                                          Arena& gradient, StepTracks track) {
  const bool track_first = tracks(track.first), track_last = tracks(track.last);
  const bool l2 = options_.l2 > 0;
  pack(weights);
  for_chunks([&](int64_t index, const Chunk& chunk, int t) {
    climb(index, t, weights, ascent, track_first);
    const Point& point = climber_of(chunk, t).point;
    forward(index, t, point, kLast);
    if (track_last) work_of(chunk, t).track(*buffers_);
    sum_gradient(chunk, t, point, gradient);
    if (l2) sum_points(chunk, t);
  });
  if (l2) collect_points();
  partial_.collect(parts_, options_.l2, l2 ? &point_sums_[0] : nullptr, gradient);
  finish(kFirst, &weights);
  finish(kLast, nullptr);
}

void GroupReplay::differentiate(const Arena& at, Arena& gradient, Track track) {
  const bool track_yes = tracks(track);
  pack(at);
  for_chunks([&](int64_t index, const Chunk& chunk, int t) {
    forward(index, t, *part_of(chunk).point, kFirst);
    if (track_yes) work_of(chunk, t).track(*buffers_);
    sum_gradient(chunk, t, *part_of(chunk).point, gradient);
  });
  partial_.collect(parts_, options_.l2, &at, gradient);
  finish(kFirst, &at);
}

void GroupReplay::evaluate(const Arena& at) {
  pack(at);
  for_chunks([&](int64_t index, const Chunk& chunk, int t) {
    forward(index, t, *part_of(chunk).point, kFirst);
  });
  finish(kFirst, &at);
}

// The pass's result: of all groups at one point `at`, or (null) of each at its own.
void GroupReplay::finish(Pass pass, const Arena* at) {
  latest_ = pass;
  dispatch(dtype_, [&]<class T>(T) {
    double* norms = doubles(squared_norms_);
    PassParts<T> parts{.loss = pass_values<T>(losses_, pass),
                       .correct = pass_values<T>(correct_, pass),
                       .l2 = options_.l2,
                       .squared_norms = norms,
                       .parts = static_cast<int64_t>(chunks_.size()),
                       .norms = groups(),
                       .share = doubles(chunk_shares_),
                       .norm_share = doubles(group_shares_)};
    if (at != nullptr) {
      double* own = norms + groups();
      if (options_.l2 > 0) squared_norm(stream_, at->size(), at->as<T>(), own + 1, own);
      parts.squared_norms = own;
      parts.norms = 1;
      parts.norm_share = nullptr;
    }
    pass_result(stream_, parts, const_cast<PassResult*>(result_of(pass)));
  });
}

PassResult GroupReplay::finished() const {
  PassResult result{};
  copy_to_host(stream_, &result, this->result(), sizeof(result));
  return result;
}

std::vector<double> GroupReplay::logits() const {
  return dispatch(dtype_, [&]<class T>(T) {
    std::vector<T> host(static_cast<size_t>(options_.batch * classes_));
    copy_to_host(stream_, host.data(), logits_.data(), logits_.bytes());
    return std::vector<double>(host.begin(), host.end());
  });
}

int64_t GroupReplay::examples(int thread, int64_t nth) const {
  const auto chunks = static_cast<int64_t>(chunks_.size());
  const int64_t a_pass = ceil_div<int64_t>(chunks - thread, replayers_);
  return parts_[chunks_[thread + nth % a_pass * replayers_].part].size;
}

void GroupReplay::observe(const std::function<ReplayObserver*(int thread)>& observer_of) {
  for (const ReplayPart& part : parts_) {
    for (int t = 0; t < replayers_; ++t) {
      if (part.workspaces[t]) part.workspaces[t]->observe(observer_of(t));
    }
  }
}

int64_t GroupReplay::bytes() const {
  int64_t bytes = partial_.bytes();
  for (const Arena& sum : point_sums_) bytes += sum.bytes();
  for (size_t p = 0; p < parts_.size(); ++p) {
    const Program& program = parts_[p].tape->program();
    bytes += parts_[p].bytes();
    for (const auto& climber : climbers_[p]) {
      if (climber == nullptr) continue;
      bytes += climber->gradient.bytes() + climber->space.bytes() + climber->packed.bytes() + program.packed_bytes;
    }
  }
  return bytes;
}

}  // namespace basin
