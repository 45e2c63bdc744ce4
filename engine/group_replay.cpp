#include "engine/group_replay.h"

#include <algorithm>
#include <iterator>

#include "kernels/bias.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"

namespace basin {
namespace {

constexpr double kMebibyte = 1 << 20;

double* doubles(const Buffer& buffer) {
  return reinterpret_cast<double*>(buffer.data());
}

Write overwrite_if(bool yes) {
  return yes ? Write::Overwrite : Write::Accumulate;
}

}  // namespace

GroupReplay::GroupReplay(GroupPlan plan, const Arena& parameters, Arena* buffers)
    : plan_(std::move(plan)), buffers_(buffers) {
  const Stream &stream = plan_.stream, &inner = plan_.inner;
  const ReplayOptions& options = plan_.options;
  if (const DeviceMemory memory = device_memory(stream);
      stream.is_cuda() && memory.free < plan_.bytes()) {
    fail_run("memory",
             "the plan of {} examples needs {:.1f} MiB, but of the device's {:.1f} MiB {:.1f} are "
             "free: use a smaller --microbatch, or --microbatch-execution loop",
             options.batch, static_cast<double>(plan_.bytes()) / kMebibyte,
             static_cast<double>(memory.total) / kMebibyte,
             static_cast<double>(memory.free) / kMebibyte);
  }
  for (ReplayPart& part : plan_.parts) {
    part.point = std::make_unique<Point>(*part.tape, inner);
    part.workspaces.resize(plan_.replayers);
    climbers_.emplace_back(plan_.replayers);
    own_weights_.emplace_back();
    if (plan_.has_ghosts(part)) {
      own_weights_.back() = Arena(stream, part.tape->program().group_parameters, plan_.dtype);
    }
  }
  for (int64_t c = 0; c < std::ssize(plan_.chunks); ++c) {
    const Chunk& chunk = plan_.chunks[c];
    if (!chunk.first_of_part) continue;
    ReplayPart& part = part_of(chunk);
    const int t = plan_.thread_of(c);
    const int64_t groups = plan_.groups_of(chunk.part);
    part.add_workspaces(inner, t, t + 1);
    const Program& program = part.tape->program();
    const LayoutPtr& own = program.group_parameters;
    climbers_[chunk.part][t] = std::make_unique<Climber>(
        Climber{Arena(inner, own, plan_.dtype, groups),
                {inner, own, plan_.dtype, groups, options.epsilon},
                Point(*part.tape, inner, groups),
                Buffer(inner, program.packed_gradient_bytes),
                stream.is_cuda() && image_bytes() % Buffer::kAlignment != 0
                    ? Buffer(inner, part.size * image_bytes())
                    : Buffer()});
    if (!plan_.has_ghosts(part)) continue;
    Climber& climber = *climbers_[chunk.part][t];
    climber.space.ghosts = Ghosts(inner, program);
    climber.point.move_from(*part.point, climber.space.ghosts);
  }
  std::vector<double> chunk_shares, group_shares;
  for (const Chunk& chunk : plan_.chunks) chunk_shares.push_back(share(part_of(chunk).size));
  for (int64_t g = 0; g < groups(); ++g) {
    const int64_t m = options.microbatch;
    group_shares.push_back(share(std::min(m, options.batch - g * m)));
  }
  chunk_shares_ = copied(stream, chunk_shares);
  group_shares_ = copied(stream, group_shares);
  partial_ = PartialGradients(stream, parameters, plan_.replayers);
  for (int t = 0; options.l2 > 0 && t < plan_.replayers; ++t) {
    point_sums_.push_back(parameters.sibling(inner));
  }
  if (options.l2 > 0) decay_ = parameters.sibling(stream);
  const int64_t size = dtype_size(plan_.dtype), chunks = std::ssize(plan_.chunks);
  losses_ = Buffer(stream, kPasses * chunks * size);
  correct_ = Buffer(stream, kPasses * chunks * size);
  logits_ = Buffer(stream, options.batch * plan_.classes * size);
  squared_norms_ =
      Buffer(stream, (groups() + 1 + reduce_partials(parameters.size())) * int64_t{sizeof(double)});
  results_ = Buffer(stream, kPasses * int64_t{sizeof(PassResult)});
}

bool GroupReplay::tracks(Track track) const {
  const bool yes =
      track == Track::Yes && buffers_ != nullptr && plan_.options.mode == Mode::Training;
  BASIN_CHECK(!yes || plan_.options.whole_batch, "[replay]",
              "running statistics need the groups in their order");
  return yes;
}

void GroupReplay::bind(const void* images, const int32_t* labels) {
  images_ = static_cast<const std::byte*>(images);
  labels_ = labels;
}

void GroupReplay::pack(const Arena& at) {
  BASIN_CHECK(images_ != nullptr, "[replay]", "found no batch: call bind() first");
  for (ReplayPart& part : plan_.parts) part.point->stand_at(at, buffers_);
  on_threads(plan_.replayers, [&](int t) {
    for (ReplayPart& part : plan_.parts) part.pack(t);
  });
}

template <class Body>
void GroupReplay::for_chunks(const Body& body) {
  const auto chunks = std::ssize(plan_.chunks);
  on_threads(plan_.replayers, [&](int t) {
    for (int64_t c = t; c < chunks; c += plan_.replayers) body(c, plan_.chunks[c], t);
  });
}

int64_t GroupReplay::image_bytes() const {
  const ReplayOptions& o = plan_.options;
  return o.h * o.w * o.c * dtype_size(plan_.dtype);
}

const std::byte* GroupReplay::images_of(const Chunk& chunk, int thread) {
  const std::byte* from = images_ + chunk.begin * image_bytes();
  const Buffer& aligned = climber_of(chunk, thread).images;
  if (aligned.bytes() == 0) return from;
  dispatch(plan_.dtype, [&]<class T>(T) {
    map<T>(plan_.inner, Copy<T>{}, aligned.bytes() / int64_t{sizeof(T)},
           {reinterpret_cast<const T*>(from)}, {reinterpret_cast<T*>(aligned.data())});
  });
  return aligned.data();
}

void GroupReplay::forward(int64_t index, int thread, const Point& at, Pass pass) {
  const Chunk& chunk = plan_.chunks[index];
  Workspace& work = work_of(chunk, thread);
  work.bind(0, images_of(chunk, thread));
  work.bind(1, labels_ + chunk.begin);
  work.forward(at);
  dispatch(plan_.dtype, [&]<class T>(T) {
    const auto keep = [&](int output, int64_t n, T* to) {
      map<T>(plan_.inner, Copy<T>{}, n, {work.output(output).as<T>()}, {to});
    };
    keep(0, 1, pass_values<T>(losses_, pass) + index);
    keep(1, 1, pass_values<T>(correct_, pass) + index);
    if (pass == kLast) return;
    keep(2, part_of(chunk).size * plan_.classes,
         reinterpret_cast<T*>(logits_.data()) + chunk.begin * plan_.classes);
  });
}

// From w to the points of the chunk's groups.
void GroupReplay::climb(int64_t index, int thread, const Arena& weights, const Ascent& ascent,
                        bool tracks) {
  const Chunk& chunk = plan_.chunks[index];
  const ReplayPart& part = part_of(chunk);
  Workspace& work = work_of(chunk, thread);
  auto& [gradient, space, point, packed, images] = climber_of(chunk, thread);
  Ghosts* ghosts = plan_.has_ghosts(part) ? &space.ghosts : nullptr;
  space.first_group = chunk.group;
  work.exchange_packed_gradient(packed);
  for (int k = 0; k < ascent.moves(); ++k) {
    const Point& at = k == 0 ? *part.point : point;
    forward(index, thread, at, k == 0 ? kFirst : kLast);
    if (k == 0 && tracks) work.track(*buffers_);
    // The loss is the chunk's mean: so many times it has each group's mean.
    work.backward(at, gradient, static_cast<double>(gradient.groups()), ghosts);
    if (plan_.options.l2 > 0) add_decay(gradient, k == 0 ? nullptr : &space.point);
    ascent.move(plan_.inner, k, own_weights(chunk, weights), gradient, space);
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

// gradient += l2 * w of each group; `points`: where the groups stand, or (null) all at w.
void GroupReplay::add_decay(Arena& gradient, const Arena* points) {
  dispatch(plan_.dtype, [&]<class T>(T) {
    const int64_t groups = gradient.groups(), n = gradient.size();
    T* g = gradient.as<T>();
    if (points == nullptr) {
      bias_forward(plan_.inner, groups, n, g, decay_.as<T>(), g);
    } else {
      map<T>(plan_.inner, AddScaled<T>{static_cast<T>(plan_.options.l2)}, groups * n,
             {g, points->as<T>()}, {g});
    }
  });
}

// For the L2 term: the sum of the points by their shares, whose multiple is its gradient, and their
// norms.
void GroupReplay::sum_points(const Chunk& chunk, int thread) {
  Climber& climber = climber_of(chunk, thread);
  AscentSpace& space = climber.space;
  dispatch(plan_.dtype, [&]<class T>(T) {
    const int64_t groups = space.point.groups(), n = space.point.size();
    const T* total = space.point.as<T>();
    if (groups > 1) {  // the gradients have been used: room for the sum, and for its partial sums
      T* sum = climber.gradient.as<T>();
      column_sum(plan_.inner, groups, n, total, sum + n, sum, Write::Overwrite);
      total = sum;
    }
    const double each = share(part_of(chunk).size) / static_cast<double>(groups);
    map<T>(plan_.inner, Scale<T>{static_cast<T>(each)}, n, {total}, {point_sums_[thread].as<T>()},
           overwrite_if(chunk.first_of_thread));
    squared_norms(plan_.inner, {.count = groups, .stride = n}, n, space.point.as<T>(),
                  doubles(space.partials), doubles(squared_norms_) + chunk.group);
  });
}

void GroupReplay::collect_points() {
  dispatch(plan_.dtype, [&]<class T>(T) {
    T* sum = point_sums_[0].as<T>();
    for (int t = 1; t < plan_.replayers; ++t) {
      const Arena& other = point_sums_[t];
      map<T>(plan_.stream, Add<T>{}, other.size(), {sum, other.as<T>()}, {sum});
    }
  });
}

void GroupReplay::differentiate_perturbed(const Arena& weights, const Ascent& ascent,
                                          Arena& gradient, StepTracks track) {
  const bool track_first = tracks(track.first), track_last = tracks(track.last);
  const bool l2 = plan_.options.l2 > 0;
  pack(weights);
  for (Arena& own : own_weights_) {
    if (own.layout() != nullptr) own.gather(plan_.stream, weights);
  }
  if (l2) {
    dispatch(plan_.dtype, [&]<class T>(T) {
      map<T>(plan_.stream, Scale<T>{static_cast<T>(plan_.options.l2)}, weights.size(),
             {weights.as<T>()}, {decay_.as<T>()});
    });
  }
  for_chunks([&](int64_t index, const Chunk& chunk, int t) {
    climb(index, t, weights, ascent, track_first);
    const Point& point = climber_of(chunk, t).point;
    forward(index, t, point, kLast);
    if (track_last) work_of(chunk, t).track(*buffers_);
    sum_gradient(chunk, t, point, gradient);
    if (l2) sum_points(chunk, t);
  });
  if (l2) collect_points();
  partial_.collect(plan_.parts, plan_.options.l2, l2 ? &point_sums_[0] : nullptr, gradient);
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
  partial_.collect(plan_.parts, plan_.options.l2, &at, gradient);
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
  dispatch(plan_.dtype, [&]<class T>(T) {
    double* norms = doubles(squared_norms_);
    PassParts<T> parts{.loss = pass_values<T>(losses_, pass),
                       .correct = pass_values<T>(correct_, pass),
                       .l2 = plan_.options.l2,
                       .squared_norms = norms,
                       .parts = std::ssize(plan_.chunks),
                       .norms = groups(),
                       .share = doubles(chunk_shares_),
                       .norm_share = doubles(group_shares_)};
    if (at != nullptr) {
      double* own = norms + groups();
      if (plan_.options.l2 > 0) squared_norm(plan_.stream, at->size(), at->as<T>(), own + 1, own);
      parts.squared_norms = own;
      parts.norms = 1;
      parts.norm_share = nullptr;
    }
    pass_result(plan_.stream, parts, const_cast<PassResult*>(result_of(pass)));
  });
}

PassResult GroupReplay::finished() const {
  PassResult result{};
  copy_to_host(plan_.stream, &result, this->result(), sizeof(result));
  return result;
}

std::vector<double> GroupReplay::logits() const {
  return dispatch(plan_.dtype, [&]<class T>(T) {
    std::vector<T> host(static_cast<size_t>(plan_.options.batch * plan_.classes));
    copy_to_host(plan_.stream, host.data(), logits_.data(), logits_.bytes());
    return std::vector<double>(host.begin(), host.end());
  });
}

int64_t GroupReplay::examples(int thread, int64_t nth) const {
  const auto chunks = std::ssize(plan_.chunks);
  const int64_t a_pass = ceil_div<int64_t>(chunks - thread, plan_.replayers);
  return plan_.parts[plan_.chunks[thread + nth % a_pass * plan_.replayers].part].size;
}

void GroupReplay::observe(const std::function<ReplayObserver*(int thread)>& observer_of) {
  for (const ReplayPart& part : plan_.parts) {
    for (int t = 0; t < plan_.replayers; ++t) {
      if (part.workspaces[t]) part.workspaces[t]->observe(observer_of(t));
    }
  }
}

}  // namespace basin
