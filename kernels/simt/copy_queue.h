#pragma once
// The asynchronous copies of one thread: started, committed in groups, waited for in order.

#include <cstddef>
#include <vector>

namespace balmer::simt {

class CopyQueue {
  public:
    /// What a copy read, and whether that has been written already.
    struct Copy {
        char* destination;
        std::size_t bytes;
        char data[16];
        bool is_written;
    };

    void start(const Copy& copy) { copies_.push_back(copy); }

    /// What was started since the last commit becomes a group, maybe an empty one.
    void commit();

    /// Takes out the copies of the oldest groups until at most `pending` are left.
    std::vector<Copy> wait(std::size_t pending);

    bool is_empty() const { return copies_.empty(); }
    void clear();

  private:
    std::vector<Copy> copies_;              // in the order of their start
    std::vector<std::size_t> group_sizes_;  // of the groups not waited for
    std::size_t committed_ = 0;             // the sum of group_sizes_
};

}  // namespace balmer::simt
