#include "tools/sharpness_measure.h"

#include <algorithm>
#include <exception>

namespace basin {

// A thread, its ascent, and its replays of m examples and of the rest.
struct SharpnessMeasure::Worker {
  SharpnessAscent ascent;
  std::unique_ptr<BatchReplay> whole, rest;
};

SharpnessMeasure::~SharpnessMeasure() = default;

SharpnessMeasure::SharpnessMeasure(const Stream& stream, const Model& model, const Arena& weights,
                                   Arena* buffers, const Dataset& examples,
                                   const AscentOptions& options)
    : stream_(stream),
      model_(model),
      weights_(weights),
      buffers_(buffers),
      examples_(examples),
      options_(options),
      images_(stream, static_cast<int64_t>(examples.images.size() * sizeof(float))),
      labels_(stream, examples.n * int64_t{sizeof(int32_t)}) {
  const Loader loader(stream, examples, examples.n, 0, Shuffle::No, {}, DropLast::No);
  loader.fill(examples.n, reinterpret_cast<float*>(images_.data()),
              reinterpret_cast<int32_t*>(labels_.data()));
  stream.synchronize();  // the loader's memory goes
}

void SharpnessMeasure::cut(int64_t m) {
  BASIN_CHECK(m >= 1 && m <= examples_.n, "--microbatch", "found {}, expected 1 to the {} examples",
              m, examples_.n);
  m_ = m;
  batches_ = ceil_div(examples_.n, m);
  results_.resize(batches_);
  const bool apart = !stream_.is_cuda() && batches_ >= stream_.threads();
  const Stream inner = apart ? Stream::cpu(1) : stream_;
  const int64_t count = apart ? stream_.threads() : 1;
  const auto replay = [&](int64_t batch) {
    return make_replay(inner, model_.record, weights_, buffers_,
                       {.batch = batch,
                        .h = examples_.h,
                        .w = examples_.w,
                        .c = examples_.c,
                        .mode = Mode::Frozen});
  };
  workers_.clear();
  for (int64_t k = 0; k < count; ++k) {
    const bool has_rest = examples_.n % m != 0 && (batches_ - 1) % count == k;
    workers_.push_back(std::make_unique<Worker>(Worker{
        SharpnessAscent(inner, weights_, options_), k < examples_.n / m ? replay(m) : nullptr,
        has_rest ? replay(examples_.n % m) : nullptr}));
  }
}

void SharpnessMeasure::measure(Worker& worker, int64_t batch, double rho) {
  BatchReplay& replay = (batch + 1) * m_ <= examples_.n ? *worker.whole : *worker.rest;
  const int64_t first = batch * m_, size = examples_.h * examples_.w * examples_.c;
  replay.bind(images_.data() + first * size * int64_t{sizeof(float)},
              reinterpret_cast<const int32_t*>(labels_.data()) + first);
  results_[batch] = worker.ascent(replay, rho, batch);
}

SharpnessRow SharpnessMeasure::operator()(double rho, const std::function<void()>& done) {
  const auto count = static_cast<int>(workers_.size());
  std::exception_ptr error;
  const auto work = [&](int k) {
    for (int64_t batch = k; batch < batches_; batch += count) {
      measure(*workers_[k], batch, rho);
#pragma omp critical
      done();
    }
  };
  if (count == 1) {  // no parallel region around one that works inside each kernel
    work(0);
  } else {
#pragma omp parallel for num_threads(count) schedule(static, 1)
    for (int k = 0; k < count; ++k) {
      try {
        work(k);
      } catch (...) {
#pragma omp critical
        if (!error) error = std::current_exception();
      }
    }
  }
  if (error) std::rethrow_exception(error);
  SharpnessRow row{m_, rho, 0, 0, 0};
  for (int64_t batch = 0; batch < batches_; ++batch) {
    const auto n = static_cast<double>(std::min(m_, examples_.n - batch * m_));
    const auto& [centre, worst] = results_[batch];
    row.loss_increase += n * (worst.loss - centre.loss);
    row.error_increase += centre.correct - worst.correct;
    row.gradient_norm += n * worst.gradient_norm;
  }
  const auto n = static_cast<double>(examples_.n);
  row.loss_increase /= n, row.error_increase /= n, row.gradient_norm /= n;
  return row;
}

}  // namespace basin
