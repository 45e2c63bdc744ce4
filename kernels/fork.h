// Two lanes of work: what side() is given between open() and join() may run at the same time as
// what the stream is given meanwhile, as long as neither writes what the other touches. In a
// captured graph the lanes are branches. On a CPU side() is the stream itself.
#pragma once

#include "kernels/event.h"

namespace basin {

class Fork {
 public:
  explicit Fork(const Stream& stream)
      : stream_(stream), side_(stream.beside()), opened_(stream), done_(stream) {}

  const Stream& side() const { return side_; }
  // side() begins behind what the stream has been given so far.
  void open() const {
    opened_.record(stream_);
    opened_.make_wait(side_);
  }
  // The stream goes on when side() is done.
  void join() const {
    done_.record(side_);
    done_.make_wait(stream_);
  }

 private:
  Stream stream_, side_;
  Event opened_, done_;
};

}  // namespace basin
