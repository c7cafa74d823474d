"""Problems whose answers are known exactly or from the literature, to judge the meta-learners by."""
